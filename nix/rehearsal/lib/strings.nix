# Functions about text.
{ lib }:
let
  inherit (builtins)
    all
    compareVersions
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    fromJSON
    genList
    head
    isList
    isPath
    isString
    length
    match
    parseDrvName
    readFile
    replaceStrings
    split
    stringLength
    substring
    typeOf
    unsafeDiscardStringContext
    ;

  escaping = import ./escape.nix { inherit lib; };
  inherit (escaping) escapeNixString escapeRegex;
in
rec {
  inherit (builtins)
    appendContext
    concatStringsSep
    isString
    match
    replaceStrings
    split
    storeDir
    stringLength
    substring
    toJSON
    ;

  # Joining.
  join = concatStringsSep;
  concatStrings = concatStringsSep "";
  concatLines = lines: concatStrings (map (line: line + "\n") lines);
  concatMapStrings = f: xs: concatStrings (map f xs);
  concatMapStringsSep =
    sep: f: xs:
    concatStringsSep sep (map f xs);
  concatImapStrings = f: xs: concatStrings (lib.imap1 f xs);
  concatImapStringsSep =
    sep: f: xs:
    concatStringsSep sep (lib.imap1 f xs);
  concatMapAttrsStringSep =
    sep: f: set:
    concatStringsSep sep (lib.mapAttrsToList f set);
  intersperse =
    sep: xs:
    lib.drop 1 (
      concatMap (x: [
        sep
        x
      ]) xs
    );
  optionalString = condition: text: if condition then text else "";
  replicate = n: text: concatStrings (genList (_: text) n);
  fixedWidthString =
    width: filler: text:
    if width < stringLength text then
      throw "fixedWidthString: requested string length (${toString width}) must not be shorter than actual length (${toString (stringLength text)})"
    else if width == stringLength text then
      text
    else
      filler + fixedWidthString (width - stringLength filler) filler text;
  fixedWidthNumber = width: n: fixedWidthString width "0" (toString n);

  makeSearchPath =
    folder: paths: concatMapStringsSep ":" (path: "${path}/${folder}") (lib.remove null paths);
  makeSearchPathOutput =
    output: folder: pkgs:
    makeSearchPath folder (map (lib.getOutput output) pkgs);
  makeLibraryPath = makeSearchPathOutput "lib" "lib";
  makeBinPath = makeSearchPathOutput "bin" "bin";

  # Looking inside.
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      start = stringLength text - stringLength suffix;
    in
    start >= 0 && substring start (-1) text == suffix;
  hasInfix = infix: text: match ".*${escapeRegex infix}.*" "${text}" != null;
  removePrefix =
    prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;
  trim = trimWith {
    start = true;
    end = true;
  };
  trimWith =
    {
      start ? false,
      end ? false,
    }:
    text:
    let
      blank = "[ \t\r\n]*";
      found = match "${optionalString start blank}(${if end then ".*[^ \t\r\n]" else ".*"})${optionalString end blank}" text;
    in
    if found == null then "" else head found;

  stringToCharacters = text: genList (n: substring n 1 text) (stringLength text);
  stringAsChars = f: text: concatMapStrings f (stringToCharacters text);
  addContextFrom = source: text: substring 0 0 source + text;
  splitString =
    sep: text:
    map (addContextFrom text) (filter isString (split (escapeRegex (toString sep)) (toString text)));
  splitStringBy =
    splits: keep: text:
    let
      go =
        n: part: parts:
        let
          char = substring n 1 text;
          before = if n == 0 then "" else substring (n - 1) 1 text;
        in
        if n == stringLength text then
          parts ++ [ part ]
        else if splits before char then
          go (n + 1) (optionalString keep char) (parts ++ [ part ])
        else
          go (n + 1) (part + char) parts;
    in
    map (addContextFrom text) (go 0 "" [ ]);
  replaceString = from: to: replaceStrings [ from ] [ to ];

  lowerChars = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  upperChars = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  toLower = replaceStrings upperChars lowerChars;
  toUpper = replaceStrings lowerChars upperChars;
  toSentenceCase =
    text:
    if isString text then
      toUpper (substring 0 1 text) + toLower (substring 1 (-1) text)
    else
      throw "toSentenceCase does only accepts string values, but got ${typeOf text}";

  # What kind of text.
  isStringLike = value: isString value || isPath value || value ? outPath || value ? __toString;
  isConvertibleWithToString =
    value:
    isStringLike value
    || elem (typeOf value) [
      "null"
      "int"
      "float"
      "bool"
    ]
    || isList value && all isConvertibleWithToString value;
  isStorePath =
    value:
    isStringLike value
    && substring 0 1 (toString value) == "/"
    && (
      dirOf (toString value) == builtins.storeDir
      # A content-addressed output that is not known yet.
      || match "/[0-9a-z]{52}" (toString value) != null
    );
  isValidPosixName = name: match "[a-zA-Z_][a-zA-Z0-9_]*" name != null;

  toInt =
    text:
    let
      found = match "[[:space:]]*(-?[[:digit:]]+)[[:space:]]*" text;
    in
    if found == null then
      throw "toInt: Could not convert ${escapeNixString text} to int."
    else if match "0[[:digit:]]+" (head found) != null then
      throw "toInt: Ambiguity in interpretation of ${escapeNixString text} between octal and zero padded integer."
    else
      fromJSON (head found);
  toIntBase10 =
    text:
    let
      found = match "[[:space:]]*0*(-?[[:digit:]]+)[[:space:]]*" text;
    in
    if found == null then
      throw "toIntBase10: Could not convert ${escapeNixString text} to int."
    else if match "0+" (head found) != null then
      0
    else
      fromJSON (head found);
  floatToString = toString;

  # Versions and names.
  versionOlder = a: b: compareVersions b a == 1;
  versionAtLeast = a: b: !versionOlder a b;
  getName = x: if isString x then (parseDrvName x).name else x.pname or (parseDrvName x.name).name;
  getVersion =
    x: if isString x then (parseDrvName x).version else x.version or (parseDrvName x.name).version;
  nameFromURL =
    url: sep:
    let
      file = lib.last (splitString "/" url);
      name = head (splitString sep file);
    in
    if name != file then name else throw "nameFromURL: there is no `${sep}' in `${file}'";
  sanitizeDerivationName =
    text:
    let
      plain = unsafeDiscardStringContext text;
      parts = split "[^[:alnum:]+._?=-]+" (head (match "\\.*(.*)" plain));
      name = concatMapStrings (part: if isList part then "-" else part) parts;
      # The store allows 211 characters, of which `.drv` takes four.
      short = substring (lib.max 0 (stringLength name - 207)) (-1) name;
    in
    if short == "" then "unknown" else short;
  fileContents = file: removeSuffix "\n" (readFile file);

  # How many letters must change for one to become the other.
  levenshtein =
    a: b:
    let
      rows = genList (i: genList (j: distance i j) (stringLength b + 1)) (stringLength a + 1);
      at = i: j: elemAt (elemAt rows i) j;
      distance =
        i: j:
        if i == 0 || j == 0 then
          i + j
        else
          lib.min (lib.min (at (i - 1) j + 1) (at i (j - 1) + 1)) (
            at (i - 1) (j - 1) + (if substring (i - 1) 1 a == substring (j - 1) 1 b then 0 else 1)
          );
    in
    at (stringLength a) (stringLength b);
}
// escaping
