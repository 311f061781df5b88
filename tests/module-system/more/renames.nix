# Options that moved or went away.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  rename-priority =
    (cfg [
      { options.new = optD types.int 1; }
      (lib.mkRenamedOptionModule [ "old" ] [ "new" ])
      { old = mkForce 6; }
      { new = 7; }
    ]).new;
  rename-conflict = cfg [
    { options.new = opt types.int; }
    (lib.mkRenamedOptionModule [ "old" ] [ "new" ])
    { old = 6; }
    { new = 7; }
  ];
  rename-unused =
    (cfg [
      { options.new = optD types.int 1; }
      (lib.mkRenamedOptionModule [ "old" ] [ "new" ])
    ]).new;
  rename-warning =
    (cfg [
      {
        options.new = optD types.int 1;
        options.warnings = optD (types.listOf types.str) [ ];
      }
      (lib.mkRenamedOptionModule [ "old" ] [ "new" ])
      (file "/a.nix" { old = 6; })
    ]).warnings;
  rename-wrong-type = cfg [
    { options.new = optD types.int 1; }
    (lib.mkRenamedOptionModule [ "old" ] [ "new" ])
    { old = "a"; }
  ];
  rename-deep-path =
    (cfg [
      { options.a.b.c = optD types.int 1; }
      (lib.mkRenamedOptionModule [ "x" "y" ] [ "a" "b" "c" ])
      { x.y = 4; }
    ]).a;
  rename-to-missing = cfg [
    (lib.mkRenamedOptionModule [ "old" ] [ "new" ])
    { old = 1; }
  ];
  rename-into-submodule =
    (cfg [
      {
        options.s = opt (
          types.attrsOf (sub {
            a = optD types.int 1;
          })
        );
      }
      (lib.mkAliasOptionModule [ "old" ] [ "s" "k" "a" ])
      { old = 4; }
    ]).s;
  rename-with-since =
    (cfg [
      { options.new = optD types.int 1; }
      (lib.mkRenamedOptionModuleWith {
        from = [ "old" ];
        to = [ "new" ];
        sinceRelease = 2411;
      })
      { old = 3; }
    ]).new;
  rename-alias-merge =
    (cfg [
      { options.new = opt (types.listOf types.int); }
      (lib.mkAliasOptionModule [ "old" ] [ "new" ])
      {
        old = mkMerge [
          [ 1 ]
          (mkIf false [ 2 ])
          (mkIf true [ 3 ])
        ];
      }
      { new = [ 4 ]; }
    ]).new;
  rename-alias-order =
    (cfg [
      { options.new = opt (types.listOf types.int); }
      (lib.mkAliasOptionModule [ "old" ] [ "new" ])
      { old = mkAfter [ 1 ]; }
      { new = [ 4 ]; }
    ]).new;
  rename-alias-read =
    (cfg [
      { options.new = optD types.int 1; }
      (lib.mkAliasOptionModule [ "old" ] [ "new" ])
      { new = 6; }
    ]).old;
  rename-alias-attrs =
    (cfg [
      { options.new = opt (types.attrsOf types.int); }
      (lib.mkAliasOptionModule [ "old" ] [ "new" ])
      { old.a = 1; }
      { new.b = 2; }
    ]).new;
  rename-alias-attrs-priority =
    (cfg [
      { options.new = opt (types.attrsOf types.int); }
      (lib.mkAliasOptionModule [ "old" ] [ "new" ])
      { old.a = mkDefault 1; }
      { new.a = 2; }
    ]).new;
  rename-removed-unused =
    map (a: a.assertion)
      (cfg [
        { options.assertions = optD (types.listOf types.raw) [ ]; }
        (lib.mkRemovedOptionModule [ "gone" ] "")
      ]).assertions;
  rename-removed-read =
    (cfg [
      { options.assertions = optD (types.listOf types.raw) [ ]; }
      (lib.mkRemovedOptionModule [ "gone" "a" ] "Use b.")
      { gone.a = 1; }
    ]).gone.a;
  rename-removed-message =
    map (a: a.message)
      (cfg [
        { options.assertions = optD (types.listOf types.raw) [ ]; }
        (lib.mkRemovedOptionModule [ "gone" ] "Use b.")
        (file "/a.nix" { gone = 1; })
      ]).assertions;
  rename-changed =
    (cfg [
      {
        options.new = optD types.str "none";
        options.warnings = optD (types.listOf types.str) [ ];
      }
      (lib.mkChangedOptionModule [ "old" ] [ "new" ] (config: if config.old > 5 then "high" else "low"))
      { old = 6; }
    ]).new;
  rename-changed-unused =
    (cfg [
      {
        options.new = optD types.str "none";
        options.warnings = optD (types.listOf types.str) [ ];
      }
      (lib.mkChangedOptionModule [ "old" ] [ "new" ] (config: "x"))
    ]).new;
  rename-merged =
    (cfg [
      {
        options.new = optD types.str "none";
        options.warnings = optD (types.listOf types.str) [ ];
      }
      (lib.mkMergedOptionModule
        [
          [ "a" ]
          [
            "b"
            "c"
          ]
        ]
        [ "new" ]
        (config: "${toString config.a}-${toString config.b.c}")
      )
      {
        a = 1;
        b.c = 2;
      }
    ]).new;
  rename-do-condition =
    (cfg [
      { options.new = optD types.int 1; }
      (lib.doRename {
        from = [ "old" ];
        to = [ "new" ];
        visible = true;
        warn = false;
        use = x: x;
        condition = false;
      })
      { old = 6; }
    ]).new;
  rename-do-without-priority =
    (cfg [
      { options.new = optD types.int 1; }
      (lib.doRename {
        from = [ "old" ];
        to = [ "new" ];
        visible = true;
        warn = false;
        use = x: x + 1;
        withPriority = false;
      })
      { old = mkDefault 6; }
    ]).old;
  rename-alias-definitions = cfg [
    list
    { options.y = opt (types.listOf types.int); }
    ({ options, ... }: { y = lib.mkAliasDefinitions options.x; })
    { x = [ 1 ]; }
    {
      x = [ 2 ];
      y = [ 3 ];
    }
  ];
}
