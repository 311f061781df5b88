# Several definitions of one option.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  merge-bool-equal = cfg [
    { options.x = opt types.bool; }
    { x = true; }
    { x = true; }
  ];
  merge-bool-by-or = cfg [
    { options.x = opt types.boolByOr; }
    { x = false; }
    { x = true; }
  ];
  merge-path-conflict = cfg [
    { options.x = opt types.path; }
    { x = "/a"; }
    { x = "/b"; }
  ];
  merge-float-conflict = cfg [
    { options.x = opt types.float; }
    { x = 1.5; }
    { x = 2.5; }
  ];
  merge-package-two = cfg [
    { options.x = opt types.package; }
    {
      x = {
        type = "derivation";
        name = "a";
      };
    }
    {
      x = {
        type = "derivation";
        name = "b";
      };
    }
  ];
  merge-nullor-nulls = cfg [
    { options.x = opt (types.nullOr types.int); }
    { x = null; }
    { x = null; }
  ];
  merge-nullor-conflict = cfg [
    { options.x = opt (types.nullOr types.int); }
    { x = 1; }
    { x = 2; }
  ];
  merge-nullor-list = cfg [
    { options.x = opt (types.nullOr (types.listOf types.int)); }
    { x = [ 1 ]; }
    { x = [ 2 ]; }
  ];
  merge-nullor-null-forced = cfg [
    { options.x = opt (types.nullOr types.int); }
    { x = mkForce null; }
    { x = 1; }
  ];
  merge-untyped-lists = cfg [
    { options.x = mkOption { }; }
    { x = [ 1 ]; }
    { x = [ 2 ]; }
  ];
  merge-untyped-sets = cfg [
    { options.x = mkOption { }; }
    { x.a = 1; }
    { x.b = 2; }
  ];
  merge-untyped-strings = cfg [
    { options.x = mkOption { }; }
    { x = "a"; }
    { x = "b"; }
  ];
  merge-untyped-bools = cfg [
    { options.x = mkOption { }; }
    { x = false; }
    { x = true; }
  ];
  merge-untyped-ints = cfg [
    { options.x = mkOption { }; }
    { x = 1; }
    { x = 2; }
  ];
  merge-untyped-ints-equal = cfg [
    { options.x = mkOption { }; }
    { x = 1; }
    { x = 1; }
  ];
  merge-unspecified-mixed = cfg [
    { options.x = opt types.unspecified; }
    { x = 1; }
    { x = "a"; }
  ];
  merge-anything-lists = cfg [
    { options.x = opt types.anything; }
    { x.a = [ 1 ]; }
    { x.a = [ 2 ]; }
  ];
  merge-anything-lists-equal = cfg [
    { options.x = opt types.anything; }
    { x.a = [ 1 ]; }
    { x.a = [ 1 ]; }
  ];
  merge-anything-functions =
    (cfg [
      { options.x = opt types.anything; }
      { x = n: { a = n; }; }
      { x = n: { b = n; }; }
    ]).x
      3;
  merge-anything-force-inside = cfg [
    { options.x = opt types.anything; }
    { x.a.b = mkForce 1; }
    {
      x.a.b = 2;
      x.a.c = mkDefault 3;
    }
  ];
  merge-anything-if-inside = cfg [
    { options.x = opt types.anything; }
    {
      x = mkMerge [
        { a = mkIf false 1; }
        { b = mkIf true 2; }
      ];
    }
  ];
  merge-raw-one = cfg [
    { options.x = opt types.raw; }
    {
      x = {
        a = mkIf true 1;
      };
    }
  ];
  merge-attrs-last-wins = cfg [
    { options.x = opt types.attrs; }
    { x.a.b = 1; }
    { x.a.c = 2; }
  ];
  merge-uniq-submodule = cfg [
    {
      options.s = opt (
        types.uniq (sub {
          a = optD types.int 1;
        })
      );
    }
    { s.a = 1; }
    { s = { }; }
  ];
  merge-unique-message = cfg [
    { options.x = opt (types.unique { message = "only one host may"; } (types.listOf types.int)); }
    { x = [ 1 ]; }
    { x = [ 2 ]; }
  ];
  merge-unique-forced = cfg [
    { options.x = opt (types.uniq types.int); }
    { x = mkForce 1; }
    { x = 2; }
  ];
  merge-uniq-wrong = cfg [
    { options.x = opt (types.uniq types.int); }
    { x = "a"; }
  ];
  merge-list-of-attrs = cfg [
    { options.x = opt (types.listOf (types.attrsOf types.int)); }
    { x = [ { a = 1; } ]; }
    { x = mkBefore [ { b = mkIf false 2; } ]; }
  ];
  merge-lists-in-attrs = cfg [
    { options.x = opt (types.attrsOf (types.listOf types.int)); }
    { x.a = [ 1 ]; }
    {
      x.a = mkBefore [ 0 ];
      x.b = [ ];
    }
  ];
  merge-lines-in-attrs = cfg [
    { options.x = opt (types.attrsOf types.lines); }
    { x.a = "1"; }
    { x.a = "2"; }
  ];
  merge-either-lists-and-sets = cfg [
    { options.x = opt (types.either (types.listOf types.int) (types.attrsOf types.int)); }
    { x.a = 1; }
    { x.b = 2; }
  ];
  merge-either-sub-first = cfg [
    { options.x = opt (types.either (sub { a = optD types.int 1; }) types.int); }
    { x.a = 2; }
  ];
  merge-either-sub-second = cfg [
    {
      options.x = opt (
        types.either types.int (sub {
          a = optD types.int 1;
        })
      );
    }
    { x = { }; }
  ];
  merge-either-str-lines = cfg [
    { options.x = opt (types.either types.int types.lines); }
    { x = "a"; }
    { x = "b"; }
  ];
  merge-either-conflict = cfg [
    { options.x = opt (types.either types.int types.str); }
    { x = "a"; }
    { x = "b"; }
  ];
  merge-oneof-order = cfg [
    {
      options.x = opt (
        types.oneOf [
          types.str
          types.path
          types.int
        ]
      );
    }
    { x = "/a"; }
  ];
  merge-oneof-lists = cfg [
    {
      options.x = opt (
        types.oneOf [
          types.int
          (types.listOf types.int)
          (types.attrsOf types.int)
        ]
      );
    }
    { x = [ 1 ]; }
    { x = [ 2 ]; }
  ];
  merge-oneof-nested-wrong = cfg [
    {
      options.x = opt (
        types.oneOf [
          types.int
          (types.listOf types.int)
        ]
      );
    }
    { x = [ "a" ]; }
  ];
  merge-coerced-in-attrs = cfg [
    { options.x = opt (types.attrsOf (types.coercedTo types.int toString types.str)); }
    {
      x.a = 1;
      x.b = "b";
    }
  ];
  merge-coerced-in-attrs-conflict = cfg [
    { options.x = opt (types.attrsOf (types.coercedTo types.int toString types.str)); }
    { x.a = 1; }
    { x.a = "2"; }
  ];
  merge-coerced-in-attrs-equal = cfg [
    { options.x = opt (types.attrsOf (types.coercedTo types.int toString types.str)); }
    { x.a = 1; }
    { x.a = "1"; }
  ];
  merge-coerced-to-sub = cfg [
    {
      options.s = opt (
        types.attrsOf (
          types.coercedTo types.int (n: { a = n; }) (sub {
            a = opt types.int;
            b = optD types.int 0;
          })
        )
      );
    }
    { s.k = 3; }
    { s.k.b = 1; }
  ];
  merge-coerced-chain = cfg [
    {
      options.x = opt (
        types.coercedTo types.int toString (types.coercedTo types.str (s: [ s ]) (types.listOf types.str))
      );
    }
    { x = 1; }
    { x = "a"; }
    { x = [ "b" ]; }
  ];
  merge-coerced-order = cfg [
    { options.x = opt (types.coercedTo types.str lib.singleton (types.listOf types.str)); }
    { x = mkAfter "z"; }
    { x = "a"; }
    { x = mkBefore [ "0" ]; }
  ];
  merge-coerced-list-to-attrs = cfg [
    {
      options.x = opt (
        types.coercedTo (types.listOf types.str) (l: lib.genAttrs l (_: 1)) (types.attrsOf types.int)
      );
    }
    {
      x = [
        "a"
        "b"
      ];
    }
    { x.c = 3; }
  ];
  merge-function-attrs =
    (cfg [
      { options.x = opt (types.functionTo types.attrs); }
      { x = n: { a = n; }; }
      { x = n: { b = n + 1; }; }
    ]).x
      1;
  merge-function-attrsof =
    (cfg [
      { options.x = opt (types.functionTo (types.attrsOf types.int)); }
      { x = n: { a = mkForce n; }; }
      {
        x = n: {
          a = 9;
          b = n;
        };
      }
    ]).x
      1;
  merge-function-conflict =
    (cfg [
      { options.x = opt (types.functionTo types.int); }
      { x = n: n; }
      { x = n: n + 1; }
    ]).x
      1;
  merge-function-sub =
    (cfg [
      {
        options.x = opt (
          types.functionTo (sub {
            a = optD types.int 0;
            b = optD types.int 0;
          })
        );
      }
      { x = n: { a = n; }; }
      { x = n: { b = n; }; }
    ]).x
      4;
  merge-function-args =
    lib.functionArgs
      (cfg [
        { options.x = opt (types.functionTo types.int); }
        {
          x =
            {
              a,
              b ? 1,
              ...
            }:
            a;
        }
        {
          x =
            {
              a ? 1,
              b ? 2,
              ...
            }:
            a;
        }
      ]).x;
  merge-functor-value =
    (cfg [
      { options.x = opt (types.functionTo types.int); }
      {
        x = {
          __functor = _: n: n + 1;
        };
      }
    ]).x
      1;
  merge-lazy-attrs = cfg [
    { options.x = opt (types.lazyAttrsOf types.int); }
    { x.a = mkDefault 1; }
    {
      x.a = 2;
      x.b = 3;
    }
  ];
  merge-lazy-self = cfg [
    { options.x = opt (types.lazyAttrsOf types.int); }
    ({ config, ... }: {
      x.a = config.x.b + 1;
      x.b = 1;
    })
  ];
  merge-attrs-self = cfg [
    attrs
    ({ config, ... }: {
      x.a = config.x.b + 1;
      x.b = 1;
    })
  ];
  merge-mkmerge-nested = cfg [
    attrs
    {
      x = mkMerge [
        { a = 1; }
        (mkMerge [
          { b = 2; }
          (mkIf true { c = 3; })
        ])
      ];
    }
  ];
  merge-mkmerge-empty = cfg [
    list
    { x = mkMerge [ ]; }
  ];
  merge-mkif-whole-module = cfg [
    int
    (mkIf true { x = 1; })
  ];
  merge-mkmerge-whole-module = cfg [
    int
    (mkMerge [ { x = 1; } ])
  ];
  merge-mkassert = cfg [
    int
    { x = lib.mkAssert false "not so" 1; }
  ];
  merge-definition-property =
    map (d: d.file)
      (eval [
        list
        {
          x = lib.mkDefinition {
            file = "elsewhere.nix";
            value = [ 1 ];
          };
        }
      ]).options.x.definitionsWithLocations;
  merge-number-mixed = cfg [
    { options.x = opt types.number; }
    { x = 1; }
    { x = 1.0; }
  ];
}
