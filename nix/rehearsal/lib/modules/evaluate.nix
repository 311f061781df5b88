# evalModules: modules in, options and configuration out.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    attrNames
    filter
    head
    isAttrs
    length
    mapAttrs
    seq
    ;
  inherit (lib) types;
  inherit (lib.options)
    isOption
    mkOption
    showDefs
    showOption
    ;
  inherit (lib.modules) collectModules mergeModules;

  # What the module system itself offers as options, in every evaluation and every submodule.
  internalModule =
    {
      prefix,
      specialArgs,
      args,
    }:
    {
      _file = "the module system";
      key = "the module system";
      options._module = {
        args = mkOption (
          {
            # Lazy, or every argument would be evaluated for the first one that a module asks for.
            type = types.lazyAttrsOf types.raw;
            description = "Arguments that are passed to each module, beside `lib`, `config`, `options` and those of the caller.";
          }
          // lib.optionalAttrs (prefix != [ ]) { internal = true; }
        );
        check = mkOption {
          type = types.bool;
          internal = true;
          default = true;
          description = "Whether a definition without a declared option is an error.";
        };
        freeformType = mkOption {
          type = types.nullOr types.optionType;
          internal = true;
          default = null;
          description = "The type that takes the definitions without a declared option.";
        };
        specialArgs = mkOption {
          readOnly = true;
          internal = true;
          description = "The arguments that the caller fixed; `imports` may depend on them.";
        };
      };
      config._module = { inherit args specialArgs; };
    };

  valuesOf = mapAttrs (
    _: node:
    if isOption node then
      node.value
    else if isAttrs node then
      valuesOf node
    else
      node
  );

  # The declared names that come closest, as a question.
  suggestion =
    prefix: options: path:
    let
      parent = lib.init path;
      siblings = lib.attrByPath parent { } options;
      wanted = lib.last path;
      candidates = filter (name: parent != [ ] || name != "_module") (attrNames siblings);
      distance = lib.strings.levenshtein wanted;
      # With hundreds of candidates the full distance of each takes too long.
      plausible =
        if length candidates < 100 then
          candidates
        else
          filter (name: lib.hasPrefix (builtins.substring 0 2 wanted) name) candidates;
      best = map (name: "`${showOption (prefix ++ parent ++ [ name ])}'") (
        lib.take 3 (lib.sortOn distance plausible)
      );
    in
    if best == [ ] then
      ""
    else if length best == 1 then
      "\n\nDid you mean ${head best}?"
    else
      "\n\nDid you mean ${lib.concatStringsSep ", " (lib.init best)} or ${lib.last best}?";

  refuseUnknown =
    prefix: options: def:
    let
      group = if prefix == [ ] then "the modules declare" else "`${showOption prefix}' declares";
    in
    throw (
      "The option `${
        showOption (prefix ++ def.prefix)
      }' does not exist. Definition values:${showDefs [ def ]}"
      + (
        if attrNames options == [ "_module" ] then
          "\n\nNone of ${group} any option at all: declarations belong under `options', not under `config'."
        else
          suggestion prefix options def.prefix
      )
    );
in
rec {
  evalModules =
    {
      modules,
      prefix ? [ ],
      specialArgs ? { },
      class ? null,
    }@call:
    let
      extendModules =
        {
          modules ? [ ],
          specialArgs ? { },
          prefix ? call.prefix or [ ],
        }:
        evalModules (
          call
          // {
            modules = call.modules ++ modules;
            specialArgs = call.specialArgs or { } // specialArgs;
            inherit prefix;
          }
        );

      # As a type it takes the same modules, so that one evaluation can hold another.
      type = types.submoduleWith { inherit modules specialArgs class; };

      args = {
        inherit lib options specialArgs;
        config = addErrorContext "an infinite recursion here often means that `imports' depends on `config': import always, and let `mkIf' decide what has an effect" config;
        _class = class;
        _prefix = prefix;
      }
      // specialArgs;

      collected = collectModules class (specialArgs.modulesPath or "") args (
        modules
        ++ [
          (internalModule {
            inherit prefix specialArgs;
            args = {
              inherit extendModules;
              moduleType = type;
            };
          })
        ]
      );

      merged = mergeModules prefix (lib.reverseList collected);
      options = merged.matchedOptions;
      declared = valuesOf options;
      inherit (declared._module) freeformType;

      free = map (def: {
        inherit (def) file;
        value = lib.setAttrByPath def.prefix def.value;
      }) merged.unmatchedDefns;

      config =
        if freeformType == null then
          declared
        else if free == [ ] then
          declared
        else
          lib.recursiveUpdate (freeformType.merge prefix free) declared;

      check =
        if declared._module.check && freeformType == null && merged.unmatchedDefns != [ ] then
          refuseUnknown prefix options (head merged.unmatchedDefns)
        else
          null;
    in
    {
      _type = "configuration";
      options = seq check options;
      config = seq check (removeAttrs config [ "_module" ]);
      _module = seq check config._module;
      inherit extendModules type class;
    };
}
