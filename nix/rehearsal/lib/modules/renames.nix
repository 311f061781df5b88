# Modules for options that moved, changed their type, or went away.
{ lib }:
let
  inherit (builtins) any filter foldl';
  inherit (lib)
    attrByPath
    getAttrFromPath
    optional
    optionalAttrs
    setAttrByPath
    ;
  inherit (lib.options) mkOption showFiles showOption;
  inherit (lib.modules)
    defaultOverridePriority
    mkIf
    mkMerge
    mkOverride
    ;

  # The value of an old option that nobody set, told apart from every value that somebody could set.
  unset = "_mkMergedOptionModule";
in
rec {
  # Hands the definitions of one option on to another.
  mkAliasAndWrapDefinitions = wrap: option: mkIf option.isDefined (wrap (mkMerge option.definitions));

  mkAliasDefinitions = mkAliasAndWrapDefinitions (definitions: definitions);

  mkAliasAndWrapDefsWithPriority =
    wrap: option:
    mkAliasAndWrapDefinitions wrap (
      option // { definitions = map (mkDerivedPriority option) option.definitions; }
    );

  mkDerivedPriority = option: mkOverride (option.highestPrio or defaultOverridePriority);

  # A definition made from the value of another option, as strong as that one's.
  mkDerivedConfig = option: f: mkDerivedPriority option (f option.value);

  doRename =
    {
      from,
      to,
      visible,
      warn,
      # Applied to the value when the old name is read.
      use,
      withPriority ? true,
      condition ? true,
    }:
    { config, options, ... }:
    let
      old = getAttrFromPath from options;
      type = (attrByPath to { } options).type or (lib.types.submodule { });
      forward = if withPriority then mkAliasAndWrapDefsWithPriority else mkAliasAndWrapDefinitions;
    in
    {
      options = setAttrByPath from (
        mkOption (
          {
            inherit visible;
            description = "Alias of {option}`${showOption to}`.";
            apply =
              _: use (attrByPath to (abort "Renaming error: option `${showOption to}' does not exist.") config);
          }
          // optionalAttrs (type != null) { inherit type; }
        )
      );
      config = mkIf condition (mkMerge [
        (optionalAttrs (options ? warnings) {
          warnings =
            optional (warn && old.isDefined)
              "The option `${showOption from}' defined in ${showFiles old.files} has been renamed to `${showOption to}'.";
        })
        (forward (setAttrByPath to) old)
      ]);
    };

  mkRenamedOptionModule =
    from: to:
    doRename {
      inherit from to;
      visible = false;
      warn = true;
      use = builtins.trace "Obsolete option `${showOption from}' is used. It was renamed to `${showOption to}'.";
    };

  mkRenamedOptionModuleWith =
    {
      from,
      to,
      sinceRelease,
    }:
    let
      warn = lib.oldestSupportedReleaseIsAtLeast sinceRelease;
    in
    doRename {
      inherit from to warn;
      visible = false;
      use = lib.warnIf warn "Obsolete option `${showOption from}' is used. It was renamed to `${showOption to}'.";
    };

  mkAliasOptionModule =
    from: to:
    doRename {
      inherit from to;
      visible = true;
      warn = false;
      use = value: value;
    };

  mkRemovedOptionModule =
    path: instructions:
    { options, ... }:
    let
      option = getAttrFromPath path options;
    in
    {
      options = setAttrByPath path (mkOption {
        visible = false;
        apply =
          _:
          throw "The option `${showOption path}' can no longer be used since it's been removed. ${instructions}";
      });
      config.assertions = [
        {
          assertion = !option.isDefined;
          message = "The option definition `${showOption path}' in ${showFiles option.files} no longer has any effect; please remove it.\n${instructions}\n";
        }
      ];
    };

  # Several old options become one of another type, through `merge config`.
  mkMergedOptionModule =
    from: to: merge:
    { config, options, ... }:
    let
      isSet = path: getAttrFromPath path config != unset;
      warning =
        path:
        "The option `${showOption path}' defined in ${showFiles (getAttrFromPath path options).files} has been changed to `${showOption to}' that has a different type: see there and update your configuration.";
      declare =
        path:
        setAttrByPath path (mkOption {
          visible = false;
          default = unset;
        });
    in
    {
      options = foldl' lib.recursiveUpdate { } (map declare from);
      config = {
        warnings = map warning (filter isSet from);
      }
      // setAttrByPath to (mkMerge (optional (any isSet from) (merge config)));
    };

  mkChangedOptionModule = from: mkMergedOptionModule [ from ];
}
