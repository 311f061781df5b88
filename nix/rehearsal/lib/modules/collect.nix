# Turns what `imports` lists (sets, functions, paths) into the flat list of modules of one evaluation.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    attrNames
    catAttrs
    concatMap
    elem
    filter
    genericClosure
    head
    isAttrs
    isList
    isString
    mapAttrs
    substring
    toJSON
    typeOf
    ;
  inherit (lib.modules) mkMerge;

  reserved = [
    "_class"
    "_file"
    "key"
    "disabledModules"
    "imports"
    "freeformType"
  ];

  structuredNames = reserved ++ [
    "options"
    "config"
    "meta"
  ];
  shorthandNames = reserved ++ [ "require" ];

  # One shape for every module, whether or not it separates `options` and `config`.
  unifyModuleSyntax =
    file: key: m:
    let
      structured = m ? config || m ? options;
      stray = removeAttrs m structuredNames;
      plainConfig =
        if !structured then
          removeAttrs m shorthandNames
        else if m ? meta then
          mkMerge [
            (m.config or { })
            { inherit (m) meta; }
          ]
        else
          m.config or { };
    in
    if !isAttrs m then
      throw "module ${file} (${key}) does not look like a module: it is of type `${typeOf m}' and not a set or a function"
    else if structured && stray != { } then
      throw "Module `${key}' has an unsupported attribute `${head (attrNames stray)}': next to `config' or `options' everything that is set belongs into `config' (here: ${toString (attrNames stray)})."
    else
      {
        _file = if m ? _file then toString m._file else file;
        _class = m._class or null;
        key = if m ? key then toString m.key else key;
        disabledModules = m.disabledModules or [ ];
        imports = (if structured then [ ] else m.require or [ ]) ++ m.imports or [ ];
        options = m.options or { };
        config =
          if m ? freeformType then
            mkMerge [
              plainConfig
              { _module.freeformType = m.freeformType; }
            ]
          else
            plainConfig;
      };

  # Calls a module with what it names. An argument that the evaluation does not bring comes from `_module.args`, each
  # behind its own thunk: looking all of them up at once would need the configuration that is being made.
  callModule =
    args: key: f:
    let
      fromConfig =
        name: _:
        addErrorContext "while looking up the module argument `${name}' of ${key} in `_module.args'"
          args.config._module.args.${name};
    in
    f (args // mapAttrs fromConfig (removeAttrs (lib.functionArgs f) (attrNames args)));

  describe =
    prefix: if prefix == [ ] then "" else " among the modules of ${lib.options.showOption prefix}";

  loadModule =
    class: args: file: key: m:
    let
      tag = m._type or "module";
    in
    if lib.isFunction m then
      unifyModuleSyntax file key (callModule args key m)
    else if isAttrs m then
      if tag == "module" then
        unifyModuleSyntax file key m
      else if tag == "if" || tag == "override" then
        loadModule class args file key { config = m; }
      else
        throw "Expected a module, but found a value of type ${toJSON tag} in ${file}${describe args._prefix}. ${
          if tag == "flake" then
            "A flake is not a module: name one of its modules, as in `inputs.example.nixosModules.default'."
          else if tag == "configuration" then
            "A finished configuration cannot be imported: import the modules that it is made of."
          else
            "Each item of `imports' and `modules' must be a module."
        }"
    else if isList m then
      throw "Module imports can't be nested lists: take one level of lists away in ${file}."
    else
      let
        path = toString m;
        content = import m;
      in
      unifyModuleSyntax path path (
        if lib.isFunction content then callModule args path content else content
      );

  checkClass =
    class: m:
    if class == null || m._class == null || m._class == class then
      m
    else
      throw "The module `${m._file}' (class: ${toJSON m._class}) cannot be imported into a module evaluation that expects class ${toJSON class}.";

  keyOfDisabled =
    modulesPath: file: m:
    if isString m then
      if substring 0 1 m == "/" then m else "${toString modulesPath}/${m}"
    else if m ? key then
      m.key
    else if lib.strings.isConvertibleWithToString m then
      toString m
    else
      throw "Module `${file}' disables something of type `${typeOf m}' without a `key': give a path, a string below modulesPath or a set with `key'.";
in
{
  inherit unifyModuleSyntax;

  setDefaultModuleLocation = file: m: {
    _file = file;
    imports = [ m ];
  };

  # Every module once, by its key; first those given, then those that they import.
  collectModules =
    class: modulesPath: args: initialModules:
    let
      load =
        file: key: modules:
        lib.imap1 (
          n: m:
          let
            module = checkClass class (loadModule class args file "${key}:anon-${toString n}" m);
          in
          {
            inherit (module) key;
            inherit module;
          }
        ) modules;
      importsOf = { module, ... }: load module._file module.key module.imports;
      startSet = load lib.options.unknownModule "" initialModules;
      everything = genericClosure {
        inherit startSet;
        operator = importsOf;
      };
      disabledKeys = concatMap (
        { module, ... }: map (keyOfDisabled modulesPath module._file) module.disabledModules
      ) everything;
      enabled = filter (entry: !elem entry.key disabledKeys);
      kept =
        if disabledKeys == [ ] then
          everything
        else
          genericClosure {
            startSet = enabled startSet;
            operator = entry: enabled (importsOf entry);
          };
    in
    catAttrs "module" kept;
}
