# Configurations within configurations.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  sub-args-name-in-list = cfg [
    {
      options.s = opt (
        types.listOf (types.submodule ({ name, ... }: { options.n = optD types.str name; }))
      );
    }
    { s = [ { } ]; }
  ];
  sub-args-name-single = cfg [
    { options.s = opt (types.submodule ({ name, ... }: { options.n = optD types.str name; })); }
    { s = { }; }
  ];
  sub-args-name-nested = cfg [
    {
      options.s = opt (
        types.attrsOf (
          types.submodule (
            { name, ... }:
            let
              outer = name;
            in
            {
              options.t = opt (
                types.attrsOf (types.submodule ({ name, ... }: { options.n = optD types.str "${outer}/${name}"; }))
              );
            }
          )
        )
      );
    }
    { s.a.t.b = { }; }
  ];
  sub-module-list = cfg [
    {
      options.s = opt (
        types.submodule [
          { options.a = optD types.int 1; }
          { options.b = optD types.int 2; }
        ]
      );
    }
    { s.b = 3; }
  ];
  sub-imports-in-value = cfg [
    { options.s = opt (types.submoduleWith { modules = [ { options.a = optD types.int 1; } ]; }); }
    {
      s = {
        imports = [ { options.b = optD types.int 2; } ];
        a = 5;
      };
    }
  ];
  sub-imports-in-function-value = cfg [
    {
      options.s = opt (sub {
        a = optD types.int 1;
      });
    }
    {
      s = { ... }: {
        imports = [ { options.b = optD types.int 2; } ];
        a = 5;
      };
    }
  ];
  sub-shorthand-config-attr = cfg [
    {
      options.s = opt (sub {
        config = optD types.int 1;
      });
    }
    { s.config = 4; }
  ];
  sub-with-config-attr = cfg [
    { options.s = opt (types.submoduleWith { modules = [ { options.a = optD types.int 1; } ]; }); }
    { s.config.a = 4; }
  ];
  sub-with-special-args = cfg [
    {
      options.s = opt (
        types.submoduleWith {
          specialArgs.foo = 3;
          modules = [ ({ foo, ... }: { options.a = optD types.int foo; }) ];
        }
      );
    }
    { s = { }; }
  ];
  sub-with-description =
    (types.submoduleWith {
      modules = [ ];
      description = "door";
    }).description;
  sub-outer-config = cfg [
    ({ config, ... }: {
      options.base = optD types.int 7;
      options.s = opt (sub {
        a = optD types.int config.base;
      });
    })
    { s = { }; }
  ];
  sub-mkif-entry = cfg [
    {
      options.s = opt (
        types.attrsOf (sub {
          a = optD types.int 1;
        })
      );
    }
    {
      s.k = mkIf false { a = 2; };
      s.l = mkIf true { a = 3; };
    }
  ];
  sub-mkmerge-entry = cfg [
    {
      options.s = opt (
        types.attrsOf (sub {
          a = optD types.int 1;
          b = optD types.int 1;
        })
      );
    }
    {
      s.k = mkMerge [
        { a = 2; }
        { b = 3; }
      ];
    }
  ];
  sub-freeform-nested = cfg [
    {
      options.s = opt (
        types.submodule {
          freeformType = types.attrsOf (types.attrsOf types.int);
          options.a.b = optD types.int 1;
        }
      );
    }
    {
      s.a.c = 2;
      s.d.e = 3;
    }
  ];
  sub-freeform-anything = cfg [
    {
      options.s = opt (
        types.submodule {
          freeformType = types.anything;
          options.a = optD types.int 1;
        }
      );
    }
    {
      s = {
        a = 2;
        b.c = [ 1 ];
      };
    }
    { s.b.d = true; }
  ];
  sub-freeform-priority = cfg [
    { options.s = opt (types.submodule { freeformType = types.attrsOf types.int; }); }
    { s.b = mkForce 2; }
    {
      s.b = 3;
      s.c = mkDefault 4;
    }
    { s.c = mkIf false 5; }
  ];
  sub-freeform-lazy = cfg [
    {
      options.s = opt (
        types.submodule (
          { config, ... }: {
            freeformType = types.lazyAttrsOf types.int;
            options.a = optD types.int config.z;
          }
        )
      );
    }
    { s.z = 3; }
  ];
  sub-freeform-either = cfg [
    { freeformType = types.attrsOf (types.either types.int types.str); }
    {
      a = 1;
      b = "c";
    }
  ];
  sub-freeform-lines = cfg [
    { freeformType = types.attrsOf types.lines; }
    { a = "1"; }
    { a = mkBefore "0"; }
  ];
  sub-freeform-in-config = cfg [
    { config._module.freeformType = types.attrsOf types.int; }
    { a = 1; }
  ];
  sub-apply = cfg [
    {
      options.s = opt (sub {
        a = mkOption {
          type = types.int;
          apply = v: v * 10;
        };
      });
    }
    { s.a = 2; }
  ];
  sub-apply-on-sub = cfg [
    {
      options.s = mkOption {
        type = types.attrsOf (sub {
          a = optD types.int 1;
        });
        apply = lib.mapAttrs (_: v: v.a);
      };
    }
    {
      s.k.a = 2;
      s.l = { };
    }
  ];
  sub-readonly = cfg [
    {
      options.s = opt (sub {
        a = mkOption {
          type = types.int;
          readOnly = true;
          default = 1;
        };
      });
    }
    { s.a = 2; }
  ];
  sub-default-merges-not = cfg [
    {
      options.s = optD (sub {
        a = optD types.int 1;
        b = optD types.int 2;
      }) { a = 5; };
    }
    { s.b = 6; }
  ];
  sub-in-either-list = cfg [
    {
      options.x = opt (
        types.either types.int (
          types.listOf (sub {
            a = optD types.int 1;
          })
        )
      );
    }
    {
      x = [
        { }
        { a = 2; }
      ];
    }
  ];
  sub-list-conditions = cfg [
    {
      options.s = opt (
        types.listOf (sub {
          a = optD types.int 1;
        })
      );
    }
    {
      s = [
        (mkIf false { a = 2; })
        { a = mkForce 3; }
      ];
    }
  ];
  sub-list-merge = cfg [
    {
      options.s = opt (
        types.listOf (sub {
          a = optD types.int 1;
        })
      );
    }
    { s = [ { a = 2; } ]; }
    { s = mkBefore [ { a = 1; } ]; }
  ];
  sub-path-value =
    let
      f = builtins.toFile "sub.nix" "{ a = 9; }";
    in
    cfg [
      {
        options.s = opt (sub {
          a = optD types.int 1;
        });
      }
      { s = f; }
    ];
  sub-module-args = cfg [
    {
      options.s = opt (
        types.submodule (
          { foo, ... }: {
            options.a = optD types.int foo;
            config._module.args.foo = 8;
          }
        )
      );
    }
    { s = { }; }
  ];
  sub-parent-args-not-inherited = cfg [
    { options.s = opt (types.submodule ({ foo, ... }: { options.a = optD types.int foo; })); }
    {
      _module.args.foo = 1;
      s = { };
    }
  ];
  sub-options-arg = cfg [
    {
      options.s = opt (
        types.submodule (
          { options, ... }: {
            options.a = optD types.int 1;
            options.d = optD types.bool options.a.isDefined;
          }
        )
      );
    }
    { s = { }; }
  ];
  sub-type-of-eval =
    let
      inner = eval [ { options.a = optD types.int 1; } ];
    in
    cfg [
      { options.s = opt inner.type; }
      { s.a = 2; }
    ];
  sub-deferred =
    let
      e = cfg [
        { options.m = opt types.deferredModule; }
        { m.options.a = optD types.int 1; }
        {
          m = { config, ... }: {
            options.b = optD types.int (config.a + 1);
            a = 4;
          };
        }
      ];
    in
    cfg [ e.m ];
  sub-deferred-in-attrs =
    let
      e = cfg [
        { options.m = opt (types.attrsOf types.deferredModule); }
        { m.k.x = 1; }
        { m.k.x = mkForce 2; }
      ];
    in
    cfg [
      int
      e.m.k
    ];
  sub-deferred-static =
    let
      e = cfg [
        { options.m = opt (types.deferredModuleWith { staticModules = [ int ]; }); }
        { m.x = 3; }
      ];
    in
    cfg [ e.m ];
  sub-deferred-wrong = cfg [
    { options.m = opt types.deferredModule; }
    { m = 3; }
  ];
  sub-get-sub-options = builtins.attrNames (
    (types.attrsOf (sub {
      a = optD types.int 1;
      b.c = optD types.int 1;
    })).getSubOptions
      [ "x" ]
  );
  sub-strict-names =
    builtins.attrNames
      (cfg [
        {
          options.s = opt (
            types.attrsOf (sub {
              a = opt types.int;
            })
          );
        }
        {
          s.a = { };
          s.b = { };
        }
      ]).s;
}
