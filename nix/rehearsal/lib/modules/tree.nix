# Walks the declarations and the definitions of all modules together, level by level.
{ lib }:
let
  inherit (builtins)
    all
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    filter
    head
    isAttrs
    length
    mapAttrs
    sort
    typeOf
    zipAttrsWith
    ;
  inherit (lib.options) isOption mkOption showOption;
  inherit (lib.modules)
    evalOptionValue
    fixupOptionType
    mergeOptionDecls
    pushDownProperties
    ;

  group = prefix: if prefix == [ ] then "the configuration" else "`${showOption prefix}'";

  declarationsOf =
    prefix: module:
    if isAttrs module.options then
      mapAttrs (_: options: {
        inherit (module) _file;
        inherit options;
      }) module.options
    else
      throw "In `${module._file}' the declaration of ${group prefix} has type `${typeOf module.options}' and is not a set of options. Is it meant to be a definition, outside of `options'?";

  definitionsOf =
    prefix:
    { file, config }:
    if isAttrs config then
      mapAttrs (_: value: { inherit file value; }) config
    else
      throw "In `${file}', ${group prefix} is set to a value of type `${typeOf config}', but it is a group of options and takes an attribute set.";

  # `options.a.b` beside an option `a` whose type is a submodule declares an option of that submodule.
  asSubmoduleOption =
    decl:
    if isOption decl.options then
      decl
    else
      decl
      // {
        options = mkOption {
          type = lib.types.submoduleWith {
            modules = [ { inherit (decl) options; } ];
            # Whatever the other declarations say.
            shorthandOnlyDefinesConfig = null;
          };
        };
      };

  isDeclaration =
    loc: decl:
    let
      tag = decl.options._type;
    in
    decl.options ? _type
    && (
      tag == "option"
      || throw "In module ${decl._file}: expected an option declaration at option path `${showOption loc}` but got a value of type ${tag}${
        if tag == "option-type" then ". Wrap the type: `lib.mkOption { type = …; }`" else ""
      }"
    );

  refuseNesting =
    loc: option: nested:
    let
      lines = concatMap (
        decl:
        map (name: " - option(s) with prefix `${showOption (loc ++ [ name ])}' in module `${decl._file}'") (
          attrNames decl.options
        )
      ) nested;
    in
    throw "The option `${showOption loc}' in module `${option._file}' would be a parent of the following options, but its type `${
      option.options.type.description or "<no description>"
    }' does not support nested options.\n${concatStringsSep "\n" (sort (a: b: a < b) lines)}";
in
rec {
  mergeModules =
    prefix: modules:
    mergeTree prefix modules (
      concatMap (
        m:
        map (config: {
          file = m._file;
          inherit config;
        }) (pushDownProperties m.config)
      ) modules
    );

  # Gives `matchedOptions`, the tree of options with their values, and `unmatchedDefns`, the definitions which no
  # option takes, each with its path below `prefix`.
  mergeTree =
    prefix: modules: configs:
    let
      declarations = zipAttrsWith (_: decls: decls) (map (declarationsOf prefix) modules);
      definitions = zipAttrsWith (_: defs: defs) (map (definitionsOf prefix) configs);

      pushDown =
        def:
        map (config: {
          inherit (def) file;
          inherit config;
        }) (pushDownProperties def.value);

      asOption = loc: decls: defs: {
        matchedOptions = evalOptionValue loc (fixupOptionType loc (mergeOptionDecls loc decls)) defs;
        unmatchedDefns = [ ];
      };

      descend =
        name: decls:
        let
          loc = prefix ++ [ name ];
          defs = definitions.${name} or [ ];
          options = filter (isDeclaration loc) decls;
        in
        if options == [ ] then
          mergeTree loc decls (concatMap pushDown defs)
        else if length options == length decls then
          asOption loc decls defs
        else if all (decl: decl.options.type.name or null == "submodule") options then
          asOption loc (map asSubmoduleOption decls) defs
        else
          refuseNesting loc (head options) (filter (decl: !isOption decl.options) decls);

      results = mapAttrs descend declarations;

      unmatched =
        mapAttrs (_: result: result.unmatchedDefns) results
        // removeAttrs definitions (attrNames declarations);
    in
    {
      matchedOptions = mapAttrs (_: result: result.matchedOptions) results;

      # Without definitions there is nothing to look for, and the options below stay unevaluated.
      unmatchedDefns =
        if configs == [ ] then
          [ ]
        else
          concatLists (
            attrValues (
              mapAttrs (name: map (def: def // { prefix = [ name ] ++ def.prefix or [ ]; })) unmatched
            )
          );
    };
}
