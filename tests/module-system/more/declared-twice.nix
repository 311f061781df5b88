# Several declarations of one option.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  twice-sub-options-nested = cfg [
    {
      options.s = opt (
        types.attrsOf (sub {
          a = optD types.int 1;
        })
      );
    }
    {
      options.s = opt (
        types.attrsOf (sub {
          b = optD types.int 2;
        })
      );
    }
    { s.k = { }; }
  ];
  twice-sub-shared-option = cfg [
    {
      options.s = opt (sub {
        a = optD types.int 1;
      });
    }
    {
      options.s = opt (sub {
        a = optD types.int 2;
      });
    }
    { s = { }; }
  ];
  twice-sub-same-option-one-default = cfg [
    {
      options.s = opt (sub {
        a = optD types.int 1;
      });
    }
    {
      options.s = opt (sub {
        a = opt types.int;
      });
    }
    { s = { }; }
  ];
  twice-sub-config = cfg [
    {
      options.s = opt (sub {
        a = optD types.int 1;
      });
    }
    { options.s = opt (types.submodule { config.a = 5; }); }
    { s = { }; }
  ];
  twice-enum-list = cfg [
    { options.x = opt (types.listOf (types.enum [ "a" ])); }
    { options.x = opt (types.listOf (types.enum [ "b" ])); }
    {
      x = [
        "a"
        "b"
      ];
    }
  ];
  twice-enum-wrong = cfg [
    { options.x = opt (types.enum [ "a" ]); }
    { options.x = opt (types.enum [ "b" ]); }
    { x = "c"; }
  ];
  twice-enum-description =
    (eval [
      {
        options.x = opt (
          types.enum [
            "a"
            "b"
          ]
        );
      }
      {
        options.x = opt (
          types.enum [
            "b"
            "c"
          ]
        );
      }
      { x = "a"; }
    ]).options.x.type.description;
  twice-nullor = cfg [
    { options.x = opt (types.nullOr (types.enum [ "a" ])); }
    { options.x = opt (types.nullOr (types.enum [ "b" ])); }
    { x = "b"; }
  ];
  twice-nullor-and-plain = cfg [
    { options.x = opt (types.nullOr types.int); }
    { options.x = opt types.int; }
    { x = 1; }
  ];
  twice-lines = cfg [
    { options.x = opt types.lines; }
    { options.x = opt types.lines; }
    { x = "a"; }
  ];
  twice-lines-commas = cfg [
    { options.x = opt types.lines; }
    { options.x = opt types.commas; }
    { x = "a"; }
  ];
  twice-default = cfg [
    { options.x = optD types.int 1; }
    { options.x = opt types.int; }
  ];
  twice-two-defaults = cfg [
    { options.x = optD types.int 1; }
    { options.x = optD types.int 1; }
  ];
  twice-two-descriptions = cfg [
    {
      options.x = mkOption {
        type = types.int;
        description = "a";
      };
    }
    {
      options.x = mkOption {
        type = types.int;
        description = "a";
      };
    }
    { x = 1; }
  ];
  twice-two-applies = cfg [
    {
      options.x = mkOption {
        type = types.int;
        apply = v: v;
      };
    }
    {
      options.x = mkOption {
        type = types.int;
        apply = v: v;
      };
    }
    { x = 1; }
  ];
  twice-one-apply = cfg [
    {
      options.x = mkOption {
        type = types.int;
        apply = v: v + 1;
      };
    }
    { options.x = opt types.int; }
    { x = 1; }
  ];
  twice-one-untyped = cfg [
    { options.x = mkOption { description = "a"; }; }
    { options.x = optD types.int 3; }
  ];
  twice-coerced = cfg [
    { options.x = opt (types.coercedTo types.int toString types.str); }
    { options.x = opt (types.coercedTo types.int toString types.str); }
    { x = 1; }
  ];
  twice-either = cfg [
    { options.x = opt (types.either types.int (types.enum [ "a" ])); }
    { options.x = opt (types.either types.int (types.enum [ "b" ])); }
    { x = "b"; }
  ];
  twice-either-other = cfg [
    { options.x = opt (types.either types.int types.str); }
    { options.x = opt (types.either types.int types.bool); }
    { x = 1; }
  ];
  twice-attrs-and-lazy = cfg [
    { options.x = opt (types.attrsOf types.int); }
    { options.x = opt (types.lazyAttrsOf types.int); }
    { x.a = 1; }
  ];
  twice-uniq = cfg [
    { options.x = opt (types.uniq types.int); }
    { options.x = opt (types.uniq types.int); }
    { x = 1; }
  ];
  twice-str-matching = cfg [
    { options.x = opt (types.strMatching "a+"); }
    { options.x = opt (types.strMatching "a+"); }
    { x = "aa"; }
  ];
  twice-str-matching-other = cfg [
    { options.x = opt (types.strMatching "a+"); }
    { options.x = opt (types.strMatching "b+"); }
    { x = "aa"; }
  ];
  twice-between = cfg [
    { options.x = opt (types.ints.between 1 2); }
    { options.x = opt (types.ints.between 5 6); }
    { x = 99; }
  ];
  twice-custom = cfg [
    { options.x = opt (lib.mkOptionType { name = "custom"; }); }
    { options.x = opt (lib.mkOptionType { name = "custom"; }); }
    { x = 1; }
  ];
  twice-function =
    (cfg [
      { options.x = opt (types.functionTo types.int); }
      { options.x = opt (types.functionTo types.int); }
      { x = n: n; }
    ]).x
      2;
  twice-path = cfg [
    { options.x = opt types.path; }
    { options.x = opt types.path; }
    { x = "/a"; }
  ];
  twice-path-store = cfg [
    { options.x = opt types.path; }
    { options.x = opt types.pathInStore; }
    { x = "/a"; }
  ];
  twice-declarations =
    (eval [
      (file "/a.nix" { options.x = opt types.int; })
      (file "/b.nix" { options.x = opt types.int; })
    ]).options.x.declarations;
  twice-deferred =
    let
      e = cfg [
        { options.m = opt types.deferredModule; }
        { options.m = opt types.deferredModule; }
        { m.options.a = optD types.int 1; }
      ];
    in
    cfg [ e.m ];
  twice-freeform = cfg [
    { freeformType = types.attrsOf types.int; }
    { freeformType = types.attrsOf types.int; }
    { a = 1; }
  ];
  twice-freeform-other = cfg [
    { freeformType = types.attrsOf types.int; }
    { freeformType = types.attrsOf types.str; }
    { a = 1; }
  ];
  twice-attrtag = cfg [
    { options.x = opt (types.attrTag { a = opt types.int; }); }
    { options.x = opt (types.attrTag { b = opt types.int; }); }
    { x.b = 1; }
  ];
  twice-option-in-submodule-option = cfg [
    {
      options.s = opt (sub {
        a = optD types.int 1;
      });
    }
    { options.s.b = optD types.int 2; }
    { s.a = 3; }
  ];
  twice-option-in-attrsof = cfg [
    { options.s = opt (types.attrsOf types.int); }
    { options.s.b = optD types.int 2; }
  ];
  twice-type-as-option = cfg [ { options.x = types.int; } ];
  twice-option-not-a-set = cfg [ { options.x = 3; } ];
}
