# What every type is made of: its check, its merge, its description, and how two declarations of it become one.
{ lib }:
let
  inherit (lib) types;
in
rec {
  isType = tag: value: value._type or "" == tag;
  setType = tag: value: value // { _type = tag; };
  isOptionType = isType "option-type";

  # How a type is built anew when it is declared a second time: `binOp` joins what the two were built from.
  defaultFunctor = name: {
    inherit name;
    type = types.${name} or null;
    payload = null;
    binOp = _: _: null;
  };

  # For types that differ only in the type they hold.
  elemTypeFunctor =
    name: rebuild: elemType:
    defaultFunctor name
    // {
      type = payload: rebuild payload.elemType;
      payload = { inherit elemType; };
      binOp =
        a: b:
        let
          merged = a.elemType.typeMerge b.elemType.functor;
        in
        if merged == null then null else { elemType = merged; };
    };

  # Null where the two cannot be merged.
  defaultTypeMerge =
    a: b:
    let
      payload = a.binOp a.payload b.payload;
    in
    if a.name != b.name then
      null
    else if a.payload == null && b.payload == null then
      a.type
    else if payload == null then
      null
    else
      a.type payload;

  mkOptionType =
    {
      name,
      # Words for people, and what kind of phrase they are: "noun", "conjunction" (with an "or"), "composite" (with an
      # "of"), "nonRestrictiveClause" (with a comma). It decides about parentheses.
      description ? null,
      descriptionClass ? null,
      # Looks at the outermost level of a value only, lest values be evaluated too early.
      check ? _: true,
      # From the option's path and its definitions to its value.
      merge ? lib.mergeDefaultOption,
      # `{ value = …; }` if the type has a value for "nothing defined".
      emptyValue ? { },
      getSubOptions ? _prefix: { },
      getSubModules ? null,
      substSubModules ? _modules: null,
      functor ? defaultFunctor name,
      typeMerge ? defaultTypeMerge functor,
      nestedTypes ? { },
    }:
    {
      _type = "option-type";
      description = if description == null then name else description;
      inherit
        name
        descriptionClass
        check
        merge
        emptyValue
        getSubOptions
        getSubModules
        substSubModules
        functor
        typeMerge
        nestedTypes
        ;
    };

  # The description of a type within another's, in parentheses unless its kind of phrase is among `plain`.
  phrase =
    plain: type:
    if builtins.elem (type.descriptionClass or null) plain then
      type.description
    else
      "(${type.description})";

  optionDescriptionPhrase =
    isPlain: type:
    if isPlain (type.descriptionClass or null) then type.description else "(${type.description})";

  # The two attributes of a type that checks and merges its definitions in one go: `mergeChecked` gives
  # `{ headError; value; }`. The mark on the check shows when someone replaces it and the merge would not know.
  coherentCheck = check: {
    __functor = _: check;
    isV2MergeCoherent = true;
  };

  checkedMerge = mergeChecked: {
    v2 = { loc, defs }: mergeChecked loc defs;
    __functor =
      _: loc: defs:
      (mergeChecked loc defs).value;
  };

  # A type whose values must also satisfy `extra`.
  addCheck =
    type: extra:
    let
      both = value: type.check value && extra value;
      merge =
        loc: defs:
        let
          inner = lib.modules.checkAndMerge loc type defs;
        in
        inner
        // {
          headError =
            if inner.headError != null then inner.headError else lib.modules.checkDefinitions extra defs;
        };
    in
    type
    // (
      if type.merge ? v2 then
        {
          check = coherentCheck both;
          merge = checkedMerge merge;
        }
      else
        { check = both; }
    );

  mergeTypes =
    a: b:
    let
      merged = a.typeMerge b.functor;
    in
    if merged == null then setType "merge-error" { error = "Cannot merge types"; } else merged;
}
