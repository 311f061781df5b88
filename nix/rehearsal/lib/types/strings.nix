# Types of text.
{ lib }:
let
  inherit (builtins)
    concatStringsSep
    isString
    match
    toJSON
    ;
  inherit (lib)
    getValues
    hasInfix
    mergeEqualOption
    removeSuffix
    ;
  inherit (lib.types)
    addCheck
    defaultFunctor
    mkOptionType
    phrase
    ;

  text =
    name: description: check: rest:
    mkOptionType (
      {
        inherit name description;
        descriptionClass = "noun";
        check = value: isString value && check value;
        merge = mergeEqualOption;
      }
      // rest
    );

  strMatching =
    pattern:
    text "strMatching ${lib.strings.escapeNixString pattern}" "string matching the pattern ${pattern}"
      (value: match pattern value != null)
      {
        functor = defaultFunctor "strMatching" // {
          type = payload: strMatching payload.pattern;
          payload = { inherit pattern; };
          binOp = a: b: if a == b then a else null;
        };
      };

  # Definitions joined in the order of their modules.
  separatedString =
    sep:
    mkOptionType {
      name = "separatedString";
      description = "strings concatenated with ${toJSON sep}";
      descriptionClass = "noun";
      check = isString;
      merge = _: defs: concatStringsSep sep (getValues defs);
      functor = defaultFunctor "separatedString" // {
        type = payload: separatedString payload.sep;
        payload = { inherit sep; };
        binOp = a: b: if a.sep == b.sep then a else null;
      };
    };
in
{
  inherit strMatching separatedString;

  str = text "str" "string" (_: true) { };

  nonEmptyStr = text "nonEmptyStr" "non-empty string" (value: match "[ \t\n]*" value == null) { };

  # A newline at the end is allowed, for text that was read from a file, and taken off.
  singleLineStr = text "singleLineStr" "(optionally newline-terminated) single-line string" (
    value: match "[^\n\r]*\n?" value != null
  ) { merge = loc: defs: removeSuffix "\n" (mergeEqualOption loc defs); };

  lines = separatedString "\n";
  commas = separatedString ",";
  envVar = separatedString ":";

  # What fits into a field of /etc/passwd.
  passwdEntry =
    type:
    addCheck type (value: !hasInfix ":" value && !hasInfix "\n" value)
    // {
      name = "passwdEntry ${type.name}";
      description = "${phrase [ "noun" ] type}, not containing newlines or colons";
      descriptionClass = "nonRestrictiveClause";
    };
}
