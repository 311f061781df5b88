# From the definitions of one option to its value: conditions, priorities, order, type check, merge.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    all
    concatMap
    filter
    head
    length
    ;
  inherit (lib.options) showDefs showFiles showOption;
  inherit (lib.modules)
    defaultOverridePriority
    dischargeProperties
    filterOverrides'
    mkOptionDefault
    sortProperties
    ;

  showRejected = check: defs: "Definition values:${showDefs (filter (def: !check def.value) defs)}";
in
rec {
  # Null, or what of the definitions does not pass `check`.
  checkDefinitions =
    check: defs:
    if all (def: check def.value) defs then null else { message = showRejected check defs; };

  # Checks and merges at once. A type that looks into its definitions for both (either, coercedTo, containers) brings
  # `merge.v2`, as in nixpkgs; for the others its `check` decides and its `merge` does the rest.
  checkAndMerge =
    loc: type: defs:
    if type.merge ? v2 then
      if type.check.isV2MergeCoherent or false then
        type.merge.v2 { inherit loc defs; }
      else
        throw "The option `${showOption loc}' has a type `${type.description}' whose `check' was replaced by `//'. Its merge would not ask that check: use `lib.types.addCheck type check' instead."
    else
      {
        headError = checkDefinitions type.check defs;
        value = type.merge loc defs;
      };

  mergeDefinitions =
    loc: type: defs:
    let
      discharge =
        def:
        map
          (
            value:
            if value._type or null == "definition" then
              value
            else
              {
                inherit (def) file;
                inherit value;
              }
          )
          (
            addErrorContext "while evaluating definitions from `${def.file}':" (dischargeProperties def.value)
          );
      strongest = filterOverrides' (concatMap discharge defs);

      # Nearly every option has one definition, its default or a bare value: what is left to do is known at once.
      single = head defs;
      tag = addErrorContext "while evaluating definitions from `${single.file}':" (
        single.value._type or null
      );
    in
    rec {
      defsFinal' =
        if length defs == 1 && tag == null then
          {
            values = defs;
            highestPrio = defaultOverridePriority;
          }
        else if length defs == 1 && tag == "override" then
          {
            values = sortProperties [ (single // { value = single.value.content; }) ];
            highestPrio = single.value.priority;
          }
        else
          {
            values = sortProperties strongest.values;
            inherit (strongest) highestPrio;
          };
      defsFinal = defsFinal'.values;
      isDefined = defsFinal != [ ];

      mergedValue =
        if isDefined then
          let
            result = checkAndMerge loc type defsFinal;
          in
          if result.headError == null then
            result.value
          else
            throw "A definition for option `${showOption loc}' is not of type `${type.description}'. ${result.headError.message}"
        else if type.emptyValue ? value then
          type.emptyValue.value
        else
          throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option.";

      optionalValue = if isDefined then { value = mergedValue; } else { };
    };

  # A declared option with everything that is known after merging.
  evalOptionValue =
    loc: opt: defs:
    let
      withDefault =
        if opt ? default then
          [
            {
              file = head opt.declarations;
              value = mkOptionDefault opt.default;
            }
          ]
          ++ defs
        else
          defs;

      # Shown as merged values, since a bare `mkIf` tells the reader nothing.
      separately = map (
        def: def // { value = (mergeDefinitions loc opt.type [ def ]).mergedValue; }
      ) withDefault;

      merged =
        if opt.readOnly or false && length withDefault > 1 then
          throw "The option `${showOption loc}' is read-only, but it's set multiple times. Definition values:${showDefs separately}"
        else
          mergeDefinitions loc opt.type withDefault;
    in
    opt
    // {
      value = addErrorContext "while evaluating the option `${showOption loc}':" (
        if opt ? apply then opt.apply merged.mergedValue else merged.mergedValue
      );
      inherit (merged) isDefined;
      inherit (merged.defsFinal') highestPrio;
      definitions = map (def: def.value) merged.defsFinal;
      files = map (def: def.file) merged.defsFinal;
      definitionsWithLocations = merged.defsFinal;
      __toString = _: showOption loc;
    };

  # Several declarations of one option become one, if at most one of them says each thing.
  mergeOptionDecls =
    loc: decls:
    let
      add =
        done: decl:
        let
          opt = decl.options;
          both = name: opt ? ${name} && done ? ${name};
          mergedType = done.type.typeMerge opt.type.functor;
          refuse = throw "The option `${showOption loc}' in `${decl._file}' is already declared in ${showFiles done.declarations}.";
          modules = opt.type.getSubModules or null;
        in
        if both "default" || both "example" || both "description" || both "apply" then
          refuse
        else
          opt
          // done
          // {
            declarations = done.declarations ++ [ decl._file ];
            options =
              if modules == null then
                done.options
              else
                map (lib.modules.setDefaultModuleLocation decl._file) modules ++ done.options;
          }
          // (
            if !both "type" then
              { }
            else if mergedType == null then
              refuse
            else
              { type = mergedType; }
          );
    in
    builtins.foldl' add {
      inherit loc;
      declarations = [ ];
      options = [ ];
    } decls;

  # Gives an option without a type one, and the modules of a submodule the place of their declaration.
  fixupOptionType =
    loc: opt:
    if opt.type.getSubModules or null == null then
      opt // { type = opt.type or lib.types.unspecified; }
    else
      opt
      // {
        type = opt.type.substSubModules opt.options;
        options = [ ];
      };
}
