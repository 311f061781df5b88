# Types of single values: anything at all, booleans, numbers, paths, packages.
{ lib }:
let
  inherit (builtins)
    all
    foldl'
    hasContext
    head
    isAttrs
    isBool
    isFloat
    isInt
    isPath
    isString
    match
    substring
    toJSON
    typeOf
    unsafeDiscardStringContext
    ;
  inherit (lib)
    getFiles
    isDerivation
    isStorePath
    isStringLike
    mergeEqualOption
    mergeOneOption
    showFiles
    showOption
    types
    ;
  inherit (lib.types)
    addCheck
    attrsOf
    defaultFunctor
    isType
    mkOptionType
    ;

  noun =
    name: description: rest:
    mkOptionType (
      {
        inherit name description;
        descriptionClass = "noun";
      }
      // rest
    );

  # A value of which two definitions must agree.
  plain =
    name: description: check:
    noun name description {
      inherit check;
      merge = mergeEqualOption;
    };

  inclusive = lowest: highest: "${toJSON lowest} and ${toJSON highest} (both inclusive)";

  range =
    type: name: description: lowest: highest:
    if lowest <= highest then
      addCheck type (n: lowest <= n && n <= highest) // { inherit name description; }
    else
      throw "${name}: lowest must be smaller than highest";

  # Without an upper end, which the description says in a clause of its own.
  halfOpen =
    type: name: description: check:
    addCheck type check
    // {
      inherit name description;
      descriptionClass = "nonRestrictiveClause";
    };

  bits =
    kind: width: lowest: highest:
    range types.int "${kind}Int${toString width}"
      "${toString width} bit ${kind} integer; between ${inclusive lowest highest}"
      lowest
      highest;
  unsigned = width: size: bits "unsigned" width 0 (size - 1);
  signed = width: size: bits "signed" width (0 - size / 2) (size / 2 - 1);

  inStorePath = path: match "/nix/store/[^/]+(/.*)?" path != null && substring 11 6 path != ".links";

  pathWith =
    {
      inStore ? null,
      absolute ? null,
    }:
    let
      words =
        lib.optionalString (absolute != null) (if absolute then "absolute " else "relative ")
        + "path"
        + lib.optionalString (inStore != null) (
          if inStore then " in the Nix store" else " not in the Nix store"
        );
    in
    noun "path" words {
      # A path value would be copied to the store later on.
      check =
        value:
        (if inStore == false then isString value else isStringLike value)
        && (absolute == null || absolute == (substring 0 1 (toString value) == "/"))
        && (inStore == null || inStore == inStorePath (unsafeDiscardStringContext (toString value)));
      merge = mergeEqualOption;
      functor = defaultFunctor "path" // {
        type = pathWith;
        payload = { inherit inStore absolute; };
        binOp = a: b: if a == b then a else null;
      };
    };
in
{
  inherit pathWith;

  raw = noun "raw" "raw value" { merge = mergeOneOption; };

  unspecified = noun "unspecified" "unspecified value" { };

  anything = noun "anything" "anything" {
    merge =
      loc: defs:
      let
        kindOf = value: if isAttrs value && isStringLike value then "stringLike" else typeOf value;
        kind = kindOf (head defs).value;
        mergeAs = {
          set = (attrsOf types.anything).merge;
          stringLike = mergeOneOption;
          lambda =
            loc: defs: argument:
            types.anything.merge (loc ++ [ "<function body>" ]) (
              map (def: def // { value = def.value argument; }) defs
            );
        };
      in
      if all (def: kindOf def.value == kind) defs then
        (mergeAs.${kind} or mergeEqualOption) loc defs
      else
        throw "The option `${showOption loc}' has conflicting option types in ${showFiles (getFiles defs)}";
  };

  bool = plain "bool" "boolean" isBool;

  boolByOr = noun "boolByOr" "boolean (merged using or)" {
    check = isBool;
    merge = _: foldl' (a: def: a || def.value) false;
  };

  int = plain "int" "signed integer" isInt;
  float = plain "float" "floating point number" isFloat;
  number = types.either types.int types.float;

  ints = {
    between =
      lowest: highest:
      range types.int "intBetween" "integer between ${inclusive lowest highest}" lowest highest;
    unsigned = halfOpen types.int "unsignedInt" "unsigned integer, meaning >=0" (n: n >= 0);
    positive = halfOpen types.int "positiveInt" "positive integer, meaning >0" (n: n > 0);
    u8 = unsigned 8 256;
    u16 = unsigned 16 65536;
    u32 = unsigned 32 4294967296;
    s8 = signed 8 256;
    s16 = signed 16 65536;
    s32 = signed 32 4294967296;
  };

  numbers = {
    between =
      lowest: highest:
      range types.number "numberBetween"
        "integer or floating point number between ${inclusive lowest highest}"
        lowest
        highest;
    nonnegative =
      halfOpen types.number "numberNonnegative"
        "nonnegative integer or floating point number, meaning >=0"
        (n: n >= 0);
    positive =
      halfOpen types.number "numberPositive" "positive integer or floating point number, meaning >0"
        (n: n > 0);
  };

  port = types.ints.u16;

  path = pathWith { absolute = true; };
  pathInStore = pathWith { inStore = true; };
  externalPath = pathWith {
    absolute = true;
    inStore = false;
  };

  # A store path as such, be it a derivation, an input of a flake or a string.
  package = noun "package" null {
    check = value: isDerivation value || isStorePath value;
    merge =
      loc: defs:
      let
        value = mergeOneOption loc defs;
      in
      # Without a context the path would not become a dependency.
      if isPath value || isString value && !hasContext value then lib.toDerivation value else value;
  };

  shellPackage = types.package // {
    check = value: isDerivation value && value ? shellPath;
  };

  optionType = noun "optionType" "optionType" {
    check = isType "option-type";
    merge =
      loc: defs:
      let
        declare =
          { file, value }:
          {
            _file = file;
            options = lib.mkOption { type = value; };
          };
      in
      if builtins.length defs == 1 then
        (head defs).value
      else
        (lib.fixupOptionType loc (lib.mergeOptionDecls loc (map declare defs))).type;
  };
}
