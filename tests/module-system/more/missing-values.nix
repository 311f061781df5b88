# Options that nobody sets, and what types make of nothing.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  missing-nested = cfg [ { options.a.b.c = opt types.str; } ];
  missing-in-sub = cfg [
    {
      options.s = opt (sub {
        a = opt types.int;
      });
    }
    { s = { }; }
  ];
  missing-in-attrsof-sub = cfg [
    {
      options.s = opt (
        types.attrsOf (sub {
          a = opt types.int;
        })
      );
    }
    { s.web = { }; }
  ];
  missing-in-listof-sub = cfg [
    {
      options.s = opt (
        types.listOf (sub {
          a = opt types.int;
        })
      );
    }
    { s = [ { } ]; }
  ];
  missing-list-is-empty = cfg [ list ];
  missing-attrs-is-empty = cfg [ attrs ];
  missing-nullor-is-null = cfg [ { options.x = opt (types.nullOr types.int); } ];
  missing-submodule-is-defaults = cfg [
    {
      options.s = opt (sub {
        a = optD types.int 4;
      });
    }
  ];
  missing-nonempty-list = cfg [ { options.x = opt (types.nonEmptyListOf types.int); } ];
  missing-coerced-empty = cfg [
    { options.x = opt (types.coercedTo types.str (s: [ s ]) (types.listOf types.str)); }
  ];
  missing-lines = cfg [ { options.x = opt types.lines; } ];
  missing-either = cfg [ { options.x = opt (types.either (types.listOf types.int) types.int); } ];
  missing-attrs-type = cfg [ { options.x = opt types.attrs; } ];
  missing-functionto = cfg [ { options.x = opt (types.functionTo types.int); } ];
  missing-unique-list = cfg [ { options.x = opt (types.uniq (types.listOf types.int)); } ];
  missing-lazy-attr =
    (cfg [
      { options.x = opt (types.lazyAttrsOf types.int); }
      {
        x.a = mkIf false 1;
        x.b = 2;
      }
    ]).x.b;
  missing-lazy-attr-names =
    builtins.attrNames
      (cfg [
        { options.x = opt (types.lazyAttrsOf types.int); }
        {
          x.a = mkIf false 1;
          x.b = 2;
        }
      ]).x;
  missing-lazy-attr-used = cfg [
    { options.x = opt (types.lazyAttrsOf types.int); }
    { x.a = mkIf false 1; }
  ];
  missing-lazy-attr-empty-value = cfg [
    { options.x = opt (types.lazyAttrsOf (types.nullOr types.int)); }
    { x.a = mkIf false 1; }
  ];
  missing-is-defined-false =
    (eval [
      str
      { x = mkIf false "a"; }
    ]).options.x.isDefined;
  missing-in-list-if = cfg [
    list
    {
      x = [
        (mkIf false 1)
        (mkIf true 2)
      ];
    }
  ];
  missing-untyped = cfg [ { options.x = mkOption { }; } ];
}
