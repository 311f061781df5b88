# Values that their type refuses.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  wrong-in-sub = cfg [
    {
      options.s = opt (sub {
        a = opt types.int;
      });
    }
    { s.a = "1"; }
  ];
  wrong-in-attrsof-sub = cfg [
    {
      options.s = opt (
        types.attrsOf (sub {
          a = opt types.int;
        })
      );
    }
    { s.web.a = "1"; }
  ];
  wrong-in-attrsof-list = cfg [
    { options.x = opt (types.attrsOf (types.listOf types.int)); }
    { x.a = 1; }
  ];
  wrong-in-listof-sub = cfg [
    {
      options.x = opt (
        types.listOf (sub {
          a = opt types.int;
        })
      );
    }
    {
      x = [
        { a = 1; }
        { a = "b"; }
      ];
    }
  ];
  wrong-list-of-list = cfg [
    { options.x = opt (types.listOf (types.listOf types.int)); }
    {
      x = [
        [ 1 ]
        [ "2" ]
      ];
    }
  ];
  wrong-sub-given-int = cfg [
    {
      options.s = opt (sub {
        a = optD types.int 1;
      });
    }
    { s = 3; }
  ];
  wrong-sub-given-list = cfg [
    {
      options.s = opt (sub {
        a = optD types.int 1;
      });
    }
    { s = [ ]; }
  ];
  wrong-nullor = cfg [
    { options.x = opt (types.nullOr types.int); }
    { x = "a"; }
  ];
  wrong-either = cfg [
    { options.x = opt (types.either types.int types.bool); }
    { x = "a"; }
  ];
  wrong-either-mixed = cfg [
    { options.x = opt (types.either types.int (types.listOf types.int)); }
    { x = 1; }
    { x = [ 2 ]; }
  ];
  wrong-nullor-either-mixed = cfg [
    { options.x = opt (types.nullOr (types.either types.int types.str)); }
    { x = 1; }
    { x = "a"; }
  ];
  wrong-oneof = cfg [
    {
      options.x = opt (
        types.oneOf [
          types.int
          types.bool
          types.path
        ]
      );
    }
    { x = [ ]; }
  ];
  wrong-coerced = cfg [
    { options.x = opt (types.coercedTo types.int toString types.str); }
    { x = [ ]; }
  ];
  wrong-coerced-result = cfg [
    { options.x = opt (types.coercedTo types.str lib.toInt types.ints.positive); }
    { x = "0"; }
  ];
  wrong-bool-string = cfg [
    { options.x = opt types.bool; }
    { x = "true"; }
  ];
  wrong-float-int = cfg [
    { options.x = opt types.float; }
    { x = 1; }
  ];
  wrong-number-str = cfg [
    { options.x = opt types.number; }
    { x = "1"; }
  ];
  wrong-port = cfg [
    { options.x = opt types.port; }
    { x = 65536; }
  ];
  wrong-u8 = cfg [
    { options.x = opt types.ints.u8; }
    { x = 256; }
  ];
  wrong-s8 = cfg [
    { options.x = opt types.ints.s8; }
    { x = -129; }
  ];
  wrong-s8-ok = cfg [
    { options.x = opt types.ints.s8; }
    { x = -128; }
  ];
  wrong-path-relative = cfg [
    { options.x = opt types.path; }
    { x = "a/b"; }
  ];
  wrong-path-int = cfg [
    { options.x = opt types.path; }
    { x = 1; }
  ];
  wrong-path-in-store = cfg [
    { options.x = opt types.pathInStore; }
    { x = "/etc/passwd"; }
  ];
  wrong-path-in-store-ok = cfg [
    { options.x = opt types.pathInStore; }
    { x = "/nix/store/0lz9p8xhf89kb1c1kk6jxrzskaiygnlh-bash-5.2-p15.drv"; }
  ];
  wrong-path-in-store-links = cfg [
    { options.x = opt types.pathInStore; }
    { x = "/nix/store/.links"; }
  ];
  wrong-package = cfg [
    { options.x = opt types.package; }
    { x = "hello"; }
  ];
  wrong-package-drv =
    (cfg [
      { options.x = opt types.package; }
      {
        x = {
          type = "derivation";
          name = "h";
        };
      }
    ]).x.name;
  wrong-shell-package = cfg [
    { options.x = opt types.shellPackage; }
    {
      x = {
        type = "derivation";
        name = "h";
      };
    }
  ];
  wrong-enum-list = cfg [
    { options.x = opt (types.listOf (types.enum [ "a" ])); }
    { x = [ "b" ]; }
  ];
  wrong-empty-enum = cfg [
    { options.x = opt (types.enum [ ]); }
    { x = "a"; }
  ];
  wrong-nonempty-list = cfg [
    { options.x = opt (types.nonEmptyListOf types.int); }
    { x = [ ]; }
  ];
  wrong-singleline = cfg [
    { options.x = opt types.singleLineStr; }
    { x = "a\nb"; }
  ];
  wrong-passwd-entry = cfg [
    { options.x = opt (types.passwdEntry types.str); }
    { x = "a:b"; }
  ];
  wrong-function = cfg [
    { options.x = opt (types.functionTo types.int); }
    { x = 1; }
  ];
  wrong-function-result =
    (cfg [
      { options.x = opt (types.functionTo types.int); }
      { x = _: "a"; }
    ]).x
      1;
  wrong-default = cfg [ { options.x = optD types.int "a"; } ];
  wrong-default-unused = cfg [
    { options.x = optD types.int "a"; }
    { x = 1; }
  ];
  wrong-addcheck-list = cfg [
    { options.x = opt (types.addCheck (types.listOf types.int) (l: builtins.length l == 2)); }
    { x = [ 1 ]; }
  ];
  wrong-addcheck-list-ok = cfg [
    { options.x = opt (types.addCheck (types.listOf types.int) (l: builtins.length l == 1)); }
    { x = [ 1 ]; }
    { x = [ 2 ]; }
  ];
  wrong-addcheck-sub = cfg [
    { options.s = opt (types.addCheck (sub { a = optD types.int 1; }) (s: s ? a)); }
    { s = { }; }
  ];
  wrong-addcheck-either = cfg [
    { options.x = opt (types.addCheck (types.either types.int types.str) (v: v != 3)); }
    { x = 3; }
  ];
  wrong-addcheck-twice = cfg [
    { options.x = opt (types.addCheck (types.addCheck types.int (v: v > 1)) (v: v < 5)); }
    { x = 7; }
  ];
  wrong-addcheck-in-attrs = cfg [
    { options.x = opt (types.attrsOf (types.addCheck types.int (v: v > 1))); }
    {
      x.a = 1;
      x.b = 2;
    }
  ];
  wrong-replaced-check-scalar = cfg [
    { options.x = opt (types.int // { check = v: v == 3; }); }
    { x = 2; }
  ];
  wrong-replaced-check-list = cfg [
    { options.x = opt (types.listOf types.int // { check = v: true; }); }
    { x = [ 2 ]; }
  ];
  wrong-anything-kinds = cfg [
    { options.x = opt types.anything; }
    { x = 1; }
    { x = "a"; }
  ];
  wrong-anything-kinds-deep = cfg [
    { options.x = opt types.anything; }
    { x.a.b = 1; }
    { x.a = [ ]; }
  ];
  wrong-freeform = cfg [
    { freeformType = types.attrsOf types.int; }
    { b = "a"; }
  ];
  wrong-freeform-in-sub = cfg [
    { options.s = opt (types.submodule { freeformType = types.attrsOf types.int; }); }
    { s.b = "a"; }
  ];
  wrong-one-of-several-defs = cfg [
    list
    { x = [ 1 ]; }
    { x = "a"; }
  ];
  wrong-attrs-given-list = cfg [
    attrs
    { x = [ ]; }
  ];
  wrong-lazyattrs-element = cfg [
    { options.x = opt (types.lazyAttrsOf types.int); }
    { x.a = "b"; }
  ];
  wrong-lazyattrs-element-unused =
    (cfg [
      { options.x = opt (types.lazyAttrsOf types.int); }
      {
        x.a = "b";
        x.b = 1;
      }
    ]).x.b;
  wrong-attrsof-element-unused =
    (cfg [
      attrs
      {
        x.a = "b";
        x.b = 1;
      }
    ]).x.b;
  wrong-str-matching-twice = cfg [
    { options.x = opt (types.strMatching "[a-z]+"); }
    { x = "a"; }
    { x = "a"; }
  ];
  wrong-attrs-drv =
    (cfg [
      { options.x = opt types.attrs; }
      {
        x = {
          type = "derivation";
          a = 1;
        };
      }
    ]).x.a;
  wrong-mkif-condition = cfg [
    int
    { x = mkIf "yes" 1; }
  ];
  wrong-value-thrown = cfg [
    int
    { x = throw "own words"; }
  ];
  wrong-json = cfg [
    { options.x = opt types.json; }
    {
      x.a = [
        1
        { b = x: x; }
      ];
    }
  ];
  wrong-json-ok = cfg [
    { options.x = opt types.json; }
    {
      x.a = [
        1
        { b = null; }
      ];
    }
    { x.c = 1.5; }
  ];
  wrong-toml-null = cfg [
    { options.x = opt types.toml; }
    { x.a = null; }
  ];
  wrong-attrtag = cfg [
    {
      options.x = opt (
        types.attrTag {
          a = opt types.int;
          b = opt types.str;
        }
      );
    }
    { x.c = 1; }
  ];
  wrong-attrtag-two = cfg [
    {
      options.x = opt (
        types.attrTag {
          a = opt types.int;
          b = opt types.str;
        }
      );
    }
    { x.a = 1; }
    { x.b = "q"; }
  ];
  wrong-attrtag-inner = cfg [
    { options.x = opt (types.attrTag { a = opt types.int; }); }
    { x.a = "1"; }
  ];
  wrong-attrtag-ok = cfg [
    {
      options.x = opt (
        types.attrTag {
          a = opt types.int;
          b = opt (sub {
            c = optD types.int 1;
          });
        }
      );
    }
    { x.b = { }; }
  ];
  wrong-addcheck-inner = cfg [
    { options.x = opt (types.addCheck (types.listOf types.int) (_: true)); }
    { x = 3; }
  ];
}
