# Functions of lib: strings.
{ lib }:
with lib;
{
  concat-strings = [
    (concatStrings [
      "a"
      "b"
    ])
    (concatMapStrings (x: "<${x}>") [ "a" ])
    (concatImapStringsSep "," (i: x: "${toString i}${x}") [
      "a"
      "b"
    ])
    (concatImapStrings (i: x: "${toString i}${x}") [ "a" ])
    (concatLines [ ])
  ];
  concatMapAttrsStringSep = concatMapAttrsStringSep "," (n: v: "${n}=${v}") {
    b = "2";
    a = "1";
  };
  intersperse = [
    (intersperse "-" [
      "a"
      "b"
      "c"
    ])
    (intersperse "-" [ ])
    (intersperse "-" [ "a" ])
  ];
  optionalString = [
    (optionalString true "a")
    (optionalString false "a")
  ];
  splitString = [
    (splitString "." "a.b.c")
    (splitString "/" "/usr/")
    (splitString ", " "a, b")
    (splitString "x" "")
  ];
  splitStringBy = strings.splitStringBy (
    prev: curr:
    elem curr [
      "."
      "-"
    ]
  ) false "a.b-c";
  stringToCharacters = [
    (stringToCharacters "abc")
    (stringAsChars (c: if c == "a" then "i" else c) "nana")
  ];
  removePrefix-no = [
    (removePrefix "" "abc")
    (removePrefix "abcd" "abc")
    (removeSuffix "" "abc")
    (removeSuffix "xabc" "abc")
    (removeSuffix "abc" "abc")
  ];
  hasInfix-regex = [
    (hasInfix "a.c" "abc")
    (hasInfix "." "a.c")
    (hasInfix "[x" "a[xb")
    (hasInfix "" "a")
    (hasInfix "b\nc" "a\nb\nc")
    (hasSuffix "" "a")
    (hasPrefix "" "")
  ];
  toLower-upper = [
    (toUpper "a-B1")
    (toLower "A-b1")
    (toSentenceCase "hELLO")
    (toSentenceCase "")
  ];
  toInt-forms = map toInt [
    "0"
    "-5"
    " 42 "
    "10"
  ];
  toInt-octal = toInt "042";
  toInt-bad = toInt "4x";
  toIntBase10 = map toIntBase10 [
    "042"
    "0"
    " 7"
  ];
  fixedWidthNumber = [
    (fixedWidthNumber 4 12)
    (fixedWidthString 3 " " "abc")
  ];
  fixedWidth-long = fixedWidthString 2 "0" "abc";
  escape-many = [
    (escape [ "a" "b" ] "abc")
    (escapeRegex "a.b*[c]")
    (escapeXML "<a b=\"c\">&'")
    (escapeURL "a b/ü?ä=1&~")
    (strings.escapeC [ " " "/" ] "a b/c")
    (strings.escapeNixString "a\${b}\"\n")
  ];
  escapeNixIdentifier = map strings.escapeNixIdentifier [
    "a"
    "a-b'"
    "1a"
    "with"
    "a b"
    ""
  ];
  escapeShellArg-types = map escapeShellArg [
    3
    "a\nb"
    "$x"
    "~"
    "ä"
    "x*"
    "a,b"
  ];
  toShellVar = [
    (toShellVar "a" "b c")
    (toShellVar "l" [
      1
      "x y"
    ])
    (toShellVar "s" { "k 1" = "v"; })
    (toShellVars {
      b = 1;
      a = "x";
    })
  ];
  toShellVar-bad = toShellVar "1a" "b";
  makeSearchPath = [
    (makeSearchPath "etc" [
      "/a"
      null
      "/b"
    ])
    (makeSearchPathOutput "bin" "bin" [
      { bin = "/x"; }
      "/y"
    ])
    (makeLibraryPath [ { lib = "/x-lib"; } ])
  ];
  versions = [
    (versionOlder "1.1" "1.2")
    (versionOlder "1.2" "1.10")
    (versionAtLeast "2.0" "2.0")
    (versions.major "1.2.3")
    (versions.minor "1.2.3")
    (versions.patch "1.2.3")
    (versions.majorMinor "1.2.3")
    (splitVersion "1.2a")
  ];
  names = [
    (getName "hello-1.2")
    (getVersion "hello-1.2")
    (getName {
      pname = "a";
      name = "b-1";
    })
    (getVersion { name = "b-1"; })
  ];
  nameFromURL-bad = nameFromURL "https://x/y" "-";
  trimWith = [
    (strings.trimWith { start = true; } "  a ")
    (strings.trimWith { end = true; } " a  ")
    (trim " \n\t")
    (trim "a\n b ")
  ];
  replaceString = strings.replaceString "a" "b" "aXa";
  isStorePath = map isStorePath [
    "/nix/store/0lz9p8xhf89kb1c1kk6jxrzskaiygnlh-bash"
    "/nix/store/0lz9p8xhf89kb1c1kk6jxrzskaiygnlh-bash/bin"
    "/etc"
    3
    { outPath = "/nix/store/x"; }
  ];
  isStringLike = map isStringLike [
    "a"
    { outPath = "a"; }
    { __toString = s: "a"; }
    1
    [ ]
    { }
  ];
  isConvertibleWithToString = map strings.isConvertibleWithToString [
    1
    null
    true
    [
      1
      "a"
    ]
    [ { } ]
    { }
  ];
  isValidPosixName = map strings.isValidPosixName [
    "a_1"
    "1a"
    "a-b"
  ];
  levenshtein = [
    (strings.levenshtein "kitten" "sitting")
    (strings.levenshtein "" "abc")
    (strings.levenshtein "a" "a")
  ];
  sanitizeDerivationName = map strings.sanitizeDerivationName [
    "a b"
    "..a"
    ""
    "ok-1.2"
    "a//b"
  ];
  charToInt = map strings.charToInt [
    "A"
    " "
    "~"
    "\n"
  ];
  boolToString = [
    (boolToString true)
    (boolToString false)
    (boolToYesNo true)
  ];
  fileContents = fileContents (builtins.toFile "c" "abc\n");
}
