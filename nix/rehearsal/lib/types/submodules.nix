# Types whose values are configurations of their own.
{ lib }:
let
  inherit (builtins)
    attrNames
    intersectAttrs
    isAttrs
    ;
  inherit (lib) evalModules showOption types;
  inherit (lib.modules) checkDefinitions mkForce mkOptionDefault;
  inherit (lib.types)
    checkedMerge
    coherentCheck
    defaultFunctor
    mkOptionType
    phrase
    ;

  isModule = value: isAttrs value || lib.isFunction value || types.path.check value;

  # For descriptions the definitions do not matter, and a part of them may be missing.
  withoutCheck = {
    _file = "the documentation of a submodule";
    config._module.check = mkForce false;
  };

  # The value that both declarations give, or that the only one gives which has an opinion.
  agree =
    what: a: b:
    if a == null || a == b then
      b
    else if b == null then
      a
    else
      throw "A submoduleWith option is declared multiple times with conflicting ${what}.";

  submoduleWith =
    {
      modules,
      specialArgs ? { },
      # Whether a set as value holds definitions only, even where it has an attribute `config` or `options`.
      shorthandOnlyDefinesConfig ? false,
      description ? null,
      class ? null,
    }@payload:
    let
      # Whoever asks for `name` outside of a value (a default of a freeform type, the documentation) gets this.
      placeholder._module.args.name = mkOptionDefault "‹name›";

      base = evalModules {
        inherit specialArgs class;
        modules = [ placeholder ] ++ modules;
      };

      asModule =
        { file, value }:
        if isAttrs value && shorthandOnlyDefinesConfig then
          {
            _file = file;
            config = value;
          }
        else
          {
            _file = file;
            imports = [ value ];
          };

      freeform = (base.extendModules { modules = [ withoutCheck ]; })._module.freeformType;
    in
    mkOptionType {
      name = "submodule";
      description =
        if description != null then
          description
        else if freeform ? description then
          "open submodule of ${
            phrase [
              "noun"
              "composite"
            ] freeform
          }"
        else
          "submodule";
      check = coherentCheck isModule;
      merge = checkedMerge (
        loc: defs: {
          headError = checkDefinitions isModule defs;
          value =
            (base.extendModules {
              modules = [ { _module.args.name = lib.last loc; } ] ++ map asModule defs;
              prefix = loc;
            }).config;
        }
      );
      emptyValue.value = base.config;
      getSubOptions =
        prefix:
        let
          documented = base.extendModules {
            inherit prefix;
            modules = [ withoutCheck ];
          };
          inherit (documented._module) freeformType;
        in
        documented.options
        // lib.optionalAttrs (freeformType != null) {
          _freeformOptions = freeformType.getSubOptions prefix;
        };
      getSubModules = modules;
      substSubModules = modules: submoduleWith (payload // { inherit modules; });
      functor = defaultFunctor "submodule" // {
        type = submoduleWith;
        payload = {
          inherit
            modules
            specialArgs
            shorthandOnlyDefinesConfig
            description
            class
            ;
        };
        binOp =
          a: b:
          let
            shared = attrNames (intersectAttrs a.specialArgs b.specialArgs);
          in
          {
            modules = a.modules ++ b.modules;
            specialArgs =
              if shared == [ ] then
                a.specialArgs // b.specialArgs
              else
                throw "A submoduleWith option is declared multiple times with the same specialArgs \"${toString shared}\"";
            shorthandOnlyDefinesConfig =
              agree "shorthandOnlyDefinesConfig values" a.shorthandOnlyDefinesConfig
                b.shorthandOnlyDefinesConfig;
            description = agree "descriptions" a.description b.description;
            class = agree "class values" a.class b.class;
          };
      };
    };

  # A module that is only passed on, to be imported somewhere else.
  deferredModuleWith =
    {
      staticModules ? [ ],
    }:
    let
      asSubmodule = submoduleWith { modules = staticModules; };
    in
    mkOptionType {
      name = "deferredModule";
      description = "module";
      descriptionClass = "noun";
      check = isModule;
      merge = loc: defs: {
        imports =
          staticModules
          ++ map (
            def: lib.setDefaultModuleLocation "${def.file}, via option ${showOption loc}" def.value
          ) defs;
      };
      inherit (asSubmodule) getSubOptions getSubModules;
      substSubModules = staticModules: deferredModuleWith { inherit staticModules; };
      functor = defaultFunctor "deferredModuleWith" // {
        type = deferredModuleWith;
        payload = { inherit staticModules; };
        binOp = a: b: { staticModules = a.staticModules ++ b.staticModules; };
      };
    };
in
{
  inherit submoduleWith deferredModuleWith;

  submodule =
    modules:
    submoduleWith {
      modules = lib.toList modules;
      shorthandOnlyDefinesConfig = true;
    };

  deferredModule = deferredModuleWith { };
}
