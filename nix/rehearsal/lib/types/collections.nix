# Types that hold many values of another: lists, sets, functions; and `unique` and `nullOr`, which wrap one.
{ lib }:
let
  inherit (builtins)
    all
    concatLists
    filter
    foldl'
    isAttrs
    isList
    length
    mapAttrs
    zipAttrsWith
    ;
  inherit (lib)
    filterAttrs
    getFiles
    imap1
    mergeDefinitions
    showFiles
    showOption
    ;
  inherit (lib.modules) checkDefinitions;
  inherit (lib.types)
    addCheck
    checkedMerge
    coherentCheck
    elemTypeFunctor
    mkOptionType
    phrase
    ;

  # What a type passes through to the type that it holds.
  nesting = rebuild: part: elemType: {
    getSubOptions = prefix: elemType.getSubOptions (prefix ++ part);
    inherit (elemType) getSubModules;
    substSubModules = modules: rebuild (elemType.substSubModules modules);
    nestedTypes = { inherit elemType; };
  };

  listOf =
    elemType:
    mkOptionType (
      nesting listOf [ "*" ] elemType
      // {
        name = "listOf";
        description = "list of ${
          phrase [
            "noun"
            "composite"
          ] elemType
        }";
        descriptionClass = "composite";
        check = coherentCheck isList;
        merge = checkedMerge (
          loc: defs:
          let
            mergeElement =
              def: n: m: value:
              mergeDefinitions (loc ++ [ "[definition ${toString n}-entry ${toString m}]" ]) elemType [
                {
                  inherit (def) file;
                  inherit value;
                }
              ];
            elements = concatLists (imap1 (n: def: imap1 (mergeElement def n) def.value) defs);
          in
          {
            headError = checkDefinitions isList defs;
            value = map (element: element.mergedValue) (filter (element: element.isDefined) elements);
          }
        );
        emptyValue.value = [ ];
        functor = elemTypeFunctor "listOf" listOf elemType;
      }
    );

  attrsWith =
    {
      elemType,
      lazy ? false,
      placeholder ? "name",
    }:
    let
      rebuild = elemType: attrsWith { inherit elemType lazy placeholder; };
    in
    mkOptionType (
      nesting rebuild [ "<${placeholder}>" ] elemType
      // {
        name = if lazy then "lazyAttrsOf" else "attrsOf";
        description = "${lib.optionalString lazy "lazy "}attribute set of ${
          phrase [
            "noun"
            "composite"
          ] elemType
        }";
        descriptionClass = "composite";
        check = coherentCheck isAttrs;
        merge = checkedMerge (
          loc: defs:
          let
            withFile =
              def:
              mapAttrs (_: value: {
                inherit (def) file;
                inherit value;
              }) def.value;
            merged = zipAttrsWith (name: mergeDefinitions (loc ++ [ name ]) elemType) (map withFile defs);
          in
          {
            headError = checkDefinitions isAttrs defs;
            # The names of the lazy kind do not depend on conditions, so a name without a value stays until it is used.
            value = mapAttrs (_: element: element.mergedValue) (
              if lazy then merged else filterAttrs (_: element: element.isDefined) merged
            );
          }
        );
        emptyValue.value = { };
        functor = elemTypeFunctor "attrsWith" null elemType // {
          type = attrsWith;
          payload = { inherit elemType lazy placeholder; };
          binOp =
            a: b:
            let
              elemType = a.elemType.typeMerge b.elemType.functor;
              placeholder = if a.placeholder == "name" then b.placeholder else a.placeholder;
              agrees = a.lazy == b.lazy && (b.placeholder == "name" || b.placeholder == placeholder);
            in
            if elemType != null && agrees then
              {
                inherit elemType placeholder;
                inherit (a) lazy;
              }
            else
              null;
        };
      }
    );

  unique =
    { message }:
    type:
    mkOptionType (
      nesting (unique { message = ""; }) [ ] type
      // {
        name = "unique";
        inherit (type)
          description
          descriptionClass
          check
          emptyValue
          ;
        merge = lib.mergeUniqueOption {
          inherit message;
          inherit (type) merge;
        };
        functor = elemTypeFunctor "unique" (unique { inherit message; }) type;
      }
    );

  nullOr =
    elemType:
    mkOptionType (
      nesting nullOr [ ] elemType
      // {
        name = "nullOr";
        description = "null or ${
          phrase [
            "noun"
            "conjunction"
          ] elemType
        }";
        descriptionClass = "conjunction";
        check = value: value == null || elemType.check value;
        merge =
          loc: defs:
          let
            nulls = filter (def: def.value == null) defs;
          in
          if nulls == [ ] then
            elemType.merge loc defs
          else if length nulls == length defs then
            null
          else
            throw "The option `${showOption loc}` is defined both null and not null, in ${showFiles (getFiles defs)}.";
        emptyValue.value = null;
        functor = elemTypeFunctor "nullOr" nullOr elemType;
      }
    );

  # Definitions are called with the same argument and their results merged.
  functionTo =
    elemType:
    mkOptionType (
      nesting functionTo [ "<function body>" ] elemType
      // {
        name = "functionTo";
        description = "function that evaluates to a(n) ${
          phrase [
            "noun"
            "composite"
          ] elemType
        }";
        descriptionClass = "composite";
        check = lib.isFunction;
        merge = loc: defs: {
          # An argument has a default where all definitions give it one.
          __functionArgs = zipAttrsWith (_: all (hasDefault: hasDefault)) (
            map (def: lib.functionArgs def.value) defs
          );
          __functor =
            _: argument:
            (mergeDefinitions (loc ++ [ "<function body>" ]) elemType (
              map (def: {
                inherit (def) file;
                value = def.value argument;
              }) defs
            )).mergedValue;
        };
        functor = elemTypeFunctor "functionTo" functionTo elemType;
      }
    );

  nonEmptyListOf =
    elemType:
    let
      list = addCheck (listOf elemType) (value: value != [ ]);
    in
    list
    // {
      description = "non-empty ${phrase [ "noun" ] list}";
      emptyValue = { };
      substSubModules = modules: nonEmptyListOf (elemType.substSubModules modules);
    };
in
{
  inherit
    listOf
    nonEmptyListOf
    attrsWith
    unique
    nullOr
    functionTo
    ;

  attrsOf = elemType: attrsWith { inherit elemType; };

  lazyAttrsOf =
    elemType:
    attrsWith {
      inherit elemType;
      lazy = true;
    };

  uniq = unique { message = ""; };

  # Sets whose attributes are not merged: the last definition of each wins.
  attrs = mkOptionType {
    name = "attrs";
    description = "attribute set";
    check = isAttrs;
    merge = _: foldl' (a: def: a // def.value) { };
    emptyValue.value = { };
  };
}
