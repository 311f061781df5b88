# Which of several definitions counts.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  prio-default-in-submodule = cfg [
    {
      options.s = opt (sub {
        a = optD types.int 1;
      });
    }
    { s.a = mkDefault 2; }
    { s.a = 3; }
  ];
  prio-force-on-submodule = cfg [
    {
      options.s = opt (sub {
        a = optD types.int 1;
        b = optD types.int 1;
      });
    }
    { s = mkForce { a = 2; }; }
    { s.b = 3; }
  ];
  prio-force-in-attrsof-sub = cfg [
    {
      options.s = opt (
        types.attrsOf (sub {
          a = optD types.int 1;
        })
      );
    }
    { s.k.a = mkForce 2; }
    {
      s.k.a = 3;
      s.l = { };
    }
  ];
  prio-force-entry-of-attrsof-sub = cfg [
    {
      options.s = opt (
        types.attrsOf (sub {
          a = optD types.int 1;
          b = optD types.int 2;
        })
      );
    }
    { s.k = mkForce { a = 2; }; }
    { s.k.b = 3; }
  ];
  prio-default-entry-dropped = cfg [
    attrs
    {
      x.a = mkDefault 1;
      x.b = mkDefault 2;
    }
    { x.a = 5; }
  ];
  prio-option-default-whole-set = cfg [
    { options.x = optD (types.attrsOf types.int) { a = 1; }; }
    { x = mkDefault { b = 2; }; }
  ];
  prio-option-default-merges-with-mkOptionDefault = cfg [
    { options.x = optD (types.attrsOf types.int) { a = 1; }; }
    { x = lib.mkOptionDefault { b = 2; }; }
  ];
  prio-override-of-merge = cfg [
    list
    {
      x = mkOverride 20 (mkMerge [
        [ 1 ]
        [ 2 ]
      ]);
    }
    { x = mkForce [ 3 ]; }
  ];
  prio-merge-of-overrides = cfg [
    list
    {
      x = mkMerge [
        (mkForce [ 1 ])
        (mkForce [ 2 ])
        [ 3 ]
      ];
    }
  ];
  prio-if-of-override-of-if = cfg [
    int
    { x = mkIf true (mkForce (mkIf true 1)); }
    { x = 2; }
  ];
  prio-override-equal-numbers = cfg [
    str
    { x = mkOverride 70 "a"; }
    { x = mkOverride 70 "b"; }
  ];
  prio-override-0-beats-vm = cfg [
    str
    { x = mkOverride 0 "z"; }
    { x = lib.mkVMOverride "v"; }
  ];
  prio-order-inside-force = cfg [
    list
    { x = mkForce (mkAfter [ 1 ]); }
    { x = mkForce [ 2 ]; }
    { x = [ 3 ]; }
  ];
  prio-force-inside-order = cfg [
    list
    { x = mkAfter (mkForce [ 1 ]); }
    { x = [ 2 ]; }
  ];
  prio-force-whole-config = cfg [
    int
    { config = mkForce { x = 1; }; }
    { x = 2; }
  ];
  prio-default-whole-config = cfg [
    { options.a.b = opt types.int; }
    { config = mkDefault { a.b = 1; }; }
    { a.b = 2; }
  ];
  prio-force-group = cfg [
    {
      options.a.b = opt types.int;
      options.a.c = optD types.int 0;
    }
    { a = mkForce { b = 1; }; }
    {
      a.b = 2;
      a.c = 3;
    }
  ];
  prio-conflict-in-attrs = cfg [
    attrs
    { x.a = 1; }
    { x.a = 2; }
  ];
  prio-conflict-in-sub = cfg [
    {
      options.s = opt (sub {
        a = opt types.int;
      });
    }
    { s.a = 1; }
    { s.a = 2; }
  ];
  prio-conflict-in-attrsof-sub = cfg [
    {
      options.s = opt (
        types.attrsOf (sub {
          a = opt types.int;
        })
      );
    }
    { s.web.a = 1; }
    { s.web.a = 2; }
  ];
  prio-freeform = cfg [
    { freeformType = types.attrsOf types.int; }
    { b = mkForce 2; }
    {
      b = 3;
      c = mkDefault 4;
    }
    { c = 5; }
  ];
  prio-freeform-conflict = cfg [
    { freeformType = types.attrsOf types.int; }
    { b = 2; }
    { b = 3; }
  ];
  prio-highest-of-conflict-free =
    (eval [
      str
      { x = mkDefault "a"; }
      { x = mkDefault "a"; }
    ]).options.x.highestPrio;
  prio-highest-if =
    (eval [
      str
      { x = mkIf true (mkForce "a"); }
    ]).options.x.highestPrio;
  prio-mkDerivedConfig = cfg [
    {
      options.a = optD types.int 1;
      options.b = optD types.int 0;
    }
    ({ options, ... }: { b = lib.mkDerivedConfig options.a (v: v + 1); })
    { a = mkForce 5; }
    { b = 7; }
  ];
}
