# Declarations, and what is known of an option afterwards.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  option-apply-uses-config = cfg [
    ({ config, ... }: {
      options.n = optD types.int 2;
      options.x = mkOption {
        type = types.int;
        apply = v: v * config.n;
      };
    })
    { x = 5; }
  ];
  option-apply-readonly = cfg [
    {
      options.x = mkOption {
        type = types.int;
        readOnly = true;
        apply = v: v + 1;
      };
    }
    { x = 1; }
  ];
  option-readonly-two = cfg [
    {
      options.x = mkOption {
        type = types.listOf types.int;
        readOnly = true;
      };
    }
    { x = [ 1 ]; }
    { x = [ 2 ]; }
  ];
  option-readonly-one = cfg [
    {
      options.x = mkOption {
        type = types.int;
        readOnly = true;
      };
    }
    { x = 1; }
  ];
  option-readonly-mkforce = cfg [
    {
      options.x = mkOption {
        type = types.int;
        readOnly = true;
        default = 1;
      };
    }
    { x = mkForce 2; }
  ];
  option-readonly-if-false = cfg [
    {
      options.x = mkOption {
        type = types.int;
        readOnly = true;
        default = 1;
      };
    }
    { x = mkIf false 2; }
  ];
  option-internal-visible = cfg [
    {
      options.x = mkOption {
        type = types.int;
        internal = true;
        visible = false;
        default = 1;
        example = 2;
      };
    }
  ];
  option-unknown-attribute = cfg [ { options.x = mkOption { typ = types.int; }; } ];
  option-enable =
    let
      o = lib.mkEnableOption "foo";
    in
    [
      o.default
      o.example
      o.description
      o.type.name
      o._type
    ];
  option-package =
    let
      o = lib.mkPackageOption {
        hello = {
          type = "derivation";
          name = "hello";
        };
      } "hello" { };
    in
    [
      o.default.name
      o.defaultText.text
      o.description
      o.type.name
    ];
  option-package-null =
    let
      o = lib.mkPackageOption { } "hello" {
        nullable = true;
        default = null;
      };
    in
    [
      o.default
      o.type.description
      (o ? defaultText)
    ];
  option-package-path =
    let
      o = lib.mkPackageOption { a.b.name = "q"; } [ "a" "b" ] {
        example = "pkgs.c";
        extraDescription = "More.";
      };
    in
    [
      o.default.name
      o.defaultText.text
      o.example.text
      o.description
    ];
  option-package-missing = (lib.mkPackageOption { } "hello" { }).default;
  option-loc = (eval [ { options.a."b c" = optD types.int 1; } ]).options.a."b c".loc;
  option-to-string =
    let
      e = eval [ { options.a."b c" = optD types.int 1; } ];
    in
    "${e.options.a."b c"}";
  option-files =
    (eval [
      list
      (file "/a.nix" { x = [ 1 ]; })
      (file "/b.nix" { x = [ 2 ]; })
    ]).options.x.files;
  option-definitions =
    (eval [
      list
      {
        x = mkMerge [
          [ 1 ]
          (mkIf false [ 2 ])
        ];
      }
      { x = mkBefore [ 3 ]; }
    ]).options.x.definitions;
  option-value =
    (eval [
      list
      { x = [ 1 ]; }
    ]).options.x.value;
  option-type-name = map (o: o.type.name) (
    lib.attrValues (
      removeAttrs
        (eval [
          {
            options.a = opt types.port;
            options.b = opt (types.attrsOf types.int);
            options.c = opt (types.nullOr types.str);
            options.d = opt (sub { });
            options.e = mkOption { };
          }
        ]).options
        [ "_module" ]
    )
  );
  option-default-lazy = cfg [
    { options.x = optD types.int (throw "never"); }
    { x = 1; }
  ];
  option-default-if = cfg [ { options.x = optD types.int (mkIf false 3); } ];
  option-default-merge = cfg [
    {
      options.x = optD (types.listOf types.int) (mkMerge [
        [ 1 ]
        [ 2 ]
      ]);
    }
  ];
  option-default-forced = cfg [
    { options.x = optD types.int (mkForce 3); }
    { x = 1; }
  ];
  option-show = lib.showOption [
    "a"
    "b.c"
    "*"
    "<name>"
    "d"
    "1x"
    "if"
  ];
  option-is-option = map lib.isOption [
    (mkOption { })
    { }
    types.int
  ];
  option-doc-list =
    map
      (o: [
        o.name
        o.type
        (o.default.text or null)
        o.internal
        o.visible
        o.readOnly
      ])
      (
        builtins.filter (o: builtins.head o.loc != "_module") (
          lib.optionAttrSetToDocList
            (eval [
              {
                options.a = optD types.int 1;
                options.s = opt (
                  types.attrsOf (sub {
                    b = mkOption {
                      type = types.str;
                      readOnly = true;
                      default = "x";
                    };
                  })
                );
                options.h = mkOption {
                  visible = false;
                  type = types.int;
                };
              }
            ]).options
        )
      );
  option-literal = [
    (lib.literalExpression "pkgs.a").text
    (lib.literalMD "b")._type
  ];
  option-broken-unused =
    (cfg [
      {
        options.a.b = throw "never";
        options.y = optD types.int 1;
      }
    ]).y;
}
