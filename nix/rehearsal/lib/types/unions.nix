# Types that are one of several: values, types, tagged options, and what is converted first.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    elem
    elemAt
    foldl'
    head
    intersectAttrs
    isAttrs
    isBool
    isInt
    isString
    length
    mapAttrs
    tail
    typeOf
    ;
  inherit (lib)
    evalOptionValue
    getFiles
    mergeEqualOption
    mergeOneOption
    showDefs
    showFiles
    showOption
    types
    ;
  inherit (lib.modules) checkAndMerge checkDefinitions;
  inherit (lib.strings) escapeNixIdentifier;
  inherit (lib.types)
    checkedMerge
    coherentCheck
    defaultFunctor
    mkOptionType
    phrase
    ;

  enum =
    values:
    let
      show =
        value:
        if isString value then
          ''"${value}"''
        else if isInt value then
          toString value
        else if isBool value then
          lib.boolToString value
        else
          "<${typeOf value}>";
    in
    mkOptionType {
      name = "enum";
      # Other modules may add values to an enum that starts empty.
      description =
        if values == [ ] then
          "impossible (empty enum)"
        else if length values == 1 then
          "value ${show (head values)} (singular enum)"
        else
          "one of ${concatStringsSep ", " (map show values)}";
      descriptionClass = if length values < 2 then "noun" else "conjunction";
      check = value: elem value values;
      merge = mergeEqualOption;
      functor = defaultFunctor "enum" // {
        type = payload: enum payload.values;
        payload = { inherit values; };
        binOp = a: b: { values = lib.unique (a.values ++ b.values); };
      };
    };

  either =
    left: right:
    let
      leftWords =
        if left.descriptionClass or null == "nonRestrictiveClause" then
          "${left.description},"
        else
          phrase [
            "noun"
            "conjunction"
          ] left;
      rightWords = phrase (
        [
          "noun"
          "conjunction"
        ]
        ++ lib.optional (left.descriptionClass or null != "nonRestrictiveClause") "composite"
      ) right;
    in
    mkOptionType rec {
      name = "either";
      description = "${leftWords} or ${rightWords}";
      descriptionClass = "conjunction";
      check = coherentCheck (value: left.check value || right.check value);
      # All definitions must be of the same side: a mixture cannot be merged.
      merge = checkedMerge (
        loc: defs:
        let
          asLeft = checkAndMerge loc left defs;
          asRight = checkAndMerge loc right defs;
          message = "The option `${showOption loc}` is neither a value of type `${left.description}` nor `${right.description}`. Definition values:${showDefs defs}";
        in
        if asLeft.headError == null then
          asLeft
        else if asRight.headError == null then
          asRight
        else
          {
            headError = { inherit message; };
            # Seen only where the type stands as a freeformType of its own, whose definitions nobody checks.
            value = lib.warn message (mergeOneOption loc defs);
          }
      );
      functor = defaultFunctor name // {
        payload.elemType = [
          left
          right
        ];
      };
      typeMerge =
        other:
        let
          side = n: own: own.typeMerge (elemAt other.payload.elemType n).functor;
          mergedLeft = side 0 left;
          mergedRight = side 1 right;
        in
        if other.name == name && mergedLeft != null && mergedRight != null then
          either mergedLeft mergedRight
        else
          null;
      nestedTypes = { inherit left right; };
    };

  coercedTo =
    coercedType: coerce: finalType:
    let
      check = value: coercedType.check value && finalType.check (coerce value) || finalType.check value;
    in
    if coercedType.getSubModules != null then
      throw "coercedTo: coercedType must not have submodules (it’s a ${coercedType.description})"
    else
      mkOptionType {
        name = "coercedTo";
        description = "${phrase [ "noun" ] finalType} or ${phrase [ "noun" ] coercedType} convertible to it";
        check = coherentCheck check;
        merge = checkedMerge (
          loc: defs:
          let
            convert = def: if coercedType.check def.value then def // { value = coerce def.value; } else def;
            result = checkAndMerge loc finalType (map convert defs);
          in
          if finalType.merge ? v2 then
            result
          else
            {
              inherit (result) value;
              # About what was written, not about what it was converted to.
              headError = checkDefinitions check defs;
            }
        );
        inherit (finalType) emptyValue getSubOptions getSubModules;
        substSubModules = modules: coercedTo coercedType coerce (finalType.substSubModules modules);
        typeMerge = _: null;
        nestedTypes = { inherit coercedType finalType; };
      };

  # A set with exactly one attribute out of several, each an option of its own.
  attrTag =
    tags:
    let
      choices = concatStringsSep ", " (map escapeNixIdentifier (attrNames tags));
      placed = mapAttrs (
        name: option:
        let
          position = builtins.unsafeGetAttrPos name tags;
        in
        if option._type or null != "option" then
          throw "In attrTag, the tag ${escapeNixIdentifier name} must be an option made with mkOption."
        else
          { declarations = if position == null then [ ] else [ position.file ]; } // option
      ) tags;
      tagOf = def: head (attrNames def.value);
    in
    mkOptionType {
      name = "attrTag";
      description = "attribute-tagged union with choices: ${choices}";
      descriptionClass = "noun";
      check = value: isAttrs value && length (attrNames value) == 1 && tags ? ${head (attrNames value)};
      merge =
        loc: defs:
        let
          tag = tagOf (head defs);
          valueOf =
            def:
            if tagOf def == tag then
              {
                inherit (def) file;
                value = def.value.${tag};
              }
            else
              throw "The option `${showOption loc}` is defined both as `${tag}` and `${tagOf def}`, in ${showFiles (getFiles defs)}.";
        in
        {
          ${tag} = (evalOptionValue (loc ++ [ tag ]) placed.${tag} (map valueOf defs)).value;
        };
      getSubOptions = prefix: mapAttrs (name: option: option // { loc = prefix ++ [ name ]; }) placed;
      functor = defaultFunctor "attrTag" // {
        type = payload: attrTag payload.tags;
        payload.tags = placed;
        binOp =
          a: b:
          let
            declare = options: {
              _file = "<attrTag {...}>";
              inherit options;
            };
            merge =
              name: option:
              lib.mergeOptionDecls [ name ] (
                map declare [
                  a.tags.${name}
                  option
                ]
              )
              // {
                declarations = a.tags.${name}.declarations ++ option.declarations;
              };
          in
          {
            tags = a.tags // b.tags // mapAttrs merge (intersectAttrs a.tags b.tags);
          };
      };
      nestedTypes = tags;
    };

  # What a file format can express.
  serializable =
    name: wrap:
    let
      value =
        wrap (
          types.oneOf [
            types.bool
            types.int
            types.float
            types.str
            types.path
            (types.attrsOf value)
            (types.listOf value)
          ]
        )
        // {
          description = "${name} value";
        };
    in
    value;
in
{
  inherit
    enum
    either
    coercedTo
    attrTag
    ;

  oneOf =
    types:
    if types == [ ] then
      throw "types.oneOf needs to get at least one type in its argument"
    else
      foldl' either (head types) (tail types);

  json = serializable "JSON" types.nullOr;
  toml = serializable "TOML" (type: type);
}
