# Text that another language must read as it was meant: shell, Nix, regular expressions, URLs, XML.
{ lib }:
let
  inherit (builtins)
    elem
    genList
    isAttrs
    isList
    listToAttrs
    match
    replaceStrings
    stringLength
    substring
    toJSON
    ;
  inherit (lib.strings) concatMapStringsSep isStringLike isValidPosixName;

  printable = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

  # The codes of the characters that people type; a space is the first of them.
  codes = {
    "\t" = 9;
    "\n" = 10;
    "\r" = 13;
  }
  // listToAttrs (
    genList (n: {
      name = substring n 1 printable;
      value = 32 + n;
    }) (stringLength printable)
  );

  hex = char: lib.fixedWidthString 2 "0" (lib.toHexString (charToInt char));

  charToInt = char: codes.${char};

  keywords = [
    "assert"
    "else"
    "if"
    "in"
    "inherit"
    "let"
    "or"
    "rec"
    "then"
    "with"
  ];
in
rec {
  inherit charToInt;

  escape = chars: replaceStrings chars (map (char: "\\${char}") chars);
  escapeC = chars: replaceStrings chars (map (char: "\\x${lib.toLower (hex char)}") chars);
  escapeRegex = escape (lib.stringToCharacters "\\[{()^$?*+|.");
  escapeXML = replaceStrings [ "\"" "'" "<" ">" "&" ] [ "&quot;" "&apos;" "&lt;" "&gt;" "&amp;" ];
  escapeURL =
    let
      reserved = builtins.filter (char: match "[A-Za-z0-9._~-]" char == null) (builtins.attrNames codes);
    in
    replaceStrings reserved (map (char: "%${hex char}") reserved);

  escapeNixString = text: escape [ "$" ] (toJSON text);
  escapeNixIdentifier =
    text:
    if match "[a-zA-Z_][a-zA-Z0-9_'-]*" text != null && !elem text keywords then
      text
    else
      escapeNixString text;

  escapeShellArg =
    value:
    let
      text = toString value;
    in
    if match "[[:alnum:],._+:@%/-]+" text == null then
      "'${replaceStrings [ "'" ] [ "'\\''" ] text}'"
    else
      text;
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;

  # Bash: a set becomes an associative array, a list an array.
  toShellVar =
    name: value:
    if !isValidPosixName name then
      throw "toShellVar: ${name} is not a valid shell variable name"
    else if isList value then
      "declare -a ${name}=(${escapeShellArgs value})"
    else if isAttrs value && !isStringLike value then
      "declare -A ${name}=(${
        lib.concatMapAttrsStringSep " " (key: item: "[${escapeShellArg key}]=${escapeShellArg item}") value
      })"
    else
      "${name}=${escapeShellArg value}";
  toShellVars = lib.concatMapAttrsStringSep "\n" toShellVar;
}
