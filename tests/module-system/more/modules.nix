# Modules: imports, arguments, keys, places, classes, extension.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  module-key-once =
    let
      m = {
        key = "once";
        x = [ 1 ];
      };
    in
    cfg [
      list
      m
      { imports = [ m ]; }
    ];
  module-key-different-content = cfg [
    list
    {
      key = "k";
      x = [ 1 ];
    }
    {
      key = "k";
      x = [ 2 ];
    }
  ];
  module-path-once =
    let
      f = builtins.toFile "once.nix" "{ x = [ 1 ]; }";
    in
    cfg [
      list
      f
      { imports = [ f ]; }
    ];
  module-path-function =
    let
      f = builtins.toFile "fn.nix" "{ lib, config, ... }: { options.y = lib.mkOption { default = config.x + 1; }; }";
    in
    cfg [
      int
      { x = 1; }
      f
    ];
  module-disabled-by-path =
    let
      f = builtins.toFile "gone.nix" "{ x = [ 1 ]; }";
    in
    cfg [
      list
      f
      {
        disabledModules = [ f ];
        x = [ 2 ];
      }
    ];
  module-disabled-with-imports =
    let
      f = builtins.toFile "gone2.nix" "{ imports = [ { x = [ 3 ]; } ]; x = [ 1 ]; }";
    in
    cfg [
      list
      f
      { disabledModules = [ f ]; }
    ];
  module-disabled-import-kept-elsewhere =
    let
      f = builtins.toFile "kept.nix" "{ x = [ 3 ]; }";
    in
    cfg [
      list
      {
        key = "a";
        imports = [ f ];
        x = [ 1 ];
      }
      { imports = [ f ]; }
      { disabledModules = [ { key = "a"; } ]; }
    ];
  module-disabled-relative =
    lib.attrNames
      (lib.evalModules {
        specialArgs.modulesPath = "/mods";
        modules = [
          list
          {
            key = "/mods/a.nix";
            x = throw "never";
          }
          { disabledModules = [ "a.nix" ]; }
        ];
      }).config;
  module-disabled-without-key = cfg [
    list
    { disabledModules = [ { x = 1; } ]; }
  ];
  module-disabled-unknown = cfg [
    list
    {
      disabledModules = [ "/nowhere.nix" ];
      x = [ 1 ];
    }
  ];
  module-disables-itself = cfg [
    list
    {
      key = "a";
      disabledModules = [ { key = "a"; } ];
      x = [ 1 ];
    }
  ];
  module-file-in-conflict = cfg [
    int
    (file "/etc/a.nix" { x = 1; })
    (file "/etc/b.nix" { x = 2; })
  ];
  module-special-args =
    removeAttrs
      (lib.evalModules {
        specialArgs.foo = 3;
        modules = [ ({ foo, ... }: { options.x = optD types.int foo; }) ];
      }).config
      [ "_module" ];
  module-special-args-in-imports =
    removeAttrs
      (lib.evalModules {
        specialArgs.extra = {
          x = 4;
        };
        modules = [
          int
          ({ extra, ... }: { imports = [ extra ]; })
        ];
      }).config
      [ "_module" ];
  module-special-args-win =
    removeAttrs
      (lib.evalModules {
        specialArgs.foo = 3;
        modules = [
          ({ foo, ... }: { options.x = optD types.int foo; })
          { _module.args.foo = 5; }
        ];
      }).config
      [ "_module" ];
  module-special-args-arg =
    (lib.evalModules {
      specialArgs.foo = 3;
      modules = [ ({ specialArgs, ... }: { options.x = optD types.int specialArgs.foo; }) ];
    }).config.x;
  module-args-default-ignored = cfg [
    (
      {
        foo ? 1,
        ...
      }:
      {
        options.x = optD types.int foo;
      }
    )
    { _module.args.foo = 3; }
  ];
  module-args-at-pattern = cfg [
    (args: { options.x = optD types.bool (args ? config && args ? lib && args ? options); })
  ];
  module-args-lazy = cfg [
    ({ foo, bar, ... }: { options.x = optD types.int foo; })
    {
      _module.args = {
        foo = 1;
        bar = throw "never";
      };
    }
  ];
  module-args-from-config = cfg [
    ({ config, ... }: {
      options.y = optD types.int 2;
      config._module.args.foo = config.y * 2;
    })
    ({ foo, ... }: { options.x = optD types.int foo; })
  ];
  module-args-conflict = cfg [
    ({ foo, ... }: { options.x = optD types.int foo; })
    { _module.args.foo = 1; }
    { _module.args.foo = 2; }
  ];
  module-args-force = cfg [
    ({ foo, ... }: { options.x = optD types.int foo; })
    { _module.args.foo = 1; }
    { _module.args.foo = mkForce 2; }
  ];
  module-extend =
    ((
      (eval [
        list
        { x = [ 1 ]; }
      ]).extendModules
      { modules = [ { x = mkForce [ 2 ]; } ]; }
    ).config
    ).x;
  module-extend-twice =
    ((
      (
        (eval [
          list
          { x = [ 1 ]; }
        ]).extendModules
        { modules = [ { x = [ 2 ]; } ]; }
      ).extendModules
      { modules = [ { x = mkBefore [ 0 ]; } ]; }
    ).config
    ).x;
  module-extend-special-args =
    ((eval [ list ]).extendModules {
      specialArgs.n = 3;
      modules = [ ({ n, ... }: { x = [ n ]; }) ];
    }).config.x;
  module-extend-arg =
    (cfg [
      ({ extendModules, ... }: {
        options.x = optD types.int 1;
        options.v = mkOption {
          type = types.raw;
          default = (extendModules { modules = [ { x = mkForce 9; } ]; }).config.x;
        };
      })
    ]).v;
  module-extend-unknown =
    (
      (eval [
        int
        { x = 1; }
      ]).extendModules
      { modules = [ { y = 1; } ]; }
    ).config;
  module-prefix-in-error =
    (lib.evalModules {
      prefix = [
        "top"
        "part"
      ];
      modules = [
        int
        { x = "a"; }
      ];
    }).config.x;
  module-prefix-unknown =
    (lib.evalModules {
      prefix = [ "top" ];
      modules = [
        int
        {
          x = 1;
          y = 1;
        }
      ];
    }).config.x;
  module-class-ok =
    (lib.evalModules {
      class = "nixos";
      modules = [
        int
        {
          _class = "nixos";
          x = 1;
        }
      ];
    }).config.x;
  module-class-wrong =
    (lib.evalModules {
      class = "nixos";
      modules = [
        int
        {
          _class = "darwin";
          x = 1;
        }
      ];
    }).config.x;
  module-class-arg =
    (lib.evalModules {
      class = "nixos";
      modules = [ ({ _class, ... }: { options.x = optD types.str _class; }) ];
    }).config.x;
  module-nested-list = cfg [ [ int ] ];
  module-string = cfg [ "not-a-path" ];
  module-flake = cfg [ { _type = "flake"; } ];
  module-configuration = cfg [ (eval [ ]) ];
  module-unsupported-attribute = cfg [
    {
      options.x = opt types.int;
      config.x = 1;
      foo = 2;
    }
  ];
  module-option-at-top = cfg [ { x = opt types.int; } ];
  module-require = cfg [
    {
      require = [ { x = 1; } ];
      imports = [ int ];
    }
  ];
  module-meta = cfg [
    {
      options.meta = optD types.attrs { };
      options.x = optD types.int 1;
      meta.a = 1;
    }
  ];
  module-meta-undeclared = cfg [
    {
      options.x = optD types.int 1;
      meta.a = 1;
    }
  ];
  module-functor = cfg [
    int
    { __functor = _: { ... }: { x = 5; }; }
  ];
  module-function-returning-path =
    let
      f = builtins.toFile "leaf.nix" "{ x = 2; }";
    in
    cfg [
      int
      ({ ... }: { imports = [ f ]; })
    ];
  module-imports-by-option-value = cfg [
    ({ config, ... }: {
      imports = if config.x == 1 then [ { y = 1; } ] else [ ];
      options.x = optD types.int 1;
      options.y = optD types.int 0;
    })
  ];
  module-set-default-location =
    (eval [
      list
      (lib.setDefaultModuleLocation "/here.nix" { x = [ 1 ]; })
    ]).options.x.files;
  module-import-apply =
    let
      f = builtins.toFile "apply.nix" "n: { x = [ n ]; }";
    in
    cfg [
      list
      (lib.modules.importApply f 3)
    ];
  module-import-json =
    let
      f = builtins.toFile "data.json" ''{"x": [4]}'';
    in
    cfg [
      list
      (lib.modules.importJSON f)
    ];
  module-config-not-set = cfg [
    {
      options.x = optD types.int 1;
      config = 3;
    }
  ];
  module-options-not-set = cfg [ { options = 3; } ];
  module-toplevel-config-only-type = (eval [ ])._type;
  module-config-module-args = builtins.attrNames (eval [ { _module.args.foo = 1; } ])._module.args;
  module-disabled-below-another =
    let
      f = builtins.toFile "below.nix" "{ x = [ 1 ]; }";
    in
    cfg [
      list
      {
        imports = [
          f
          { x = [ 2 ]; }
        ];
      }
      { disabledModules = [ f ]; }
    ];
}
