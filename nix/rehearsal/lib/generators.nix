# Values as text in the formats of configuration files.
{ lib }:
let
  inherit (builtins)
    elem
    filter
    isAttrs
    isFloat
    isInt
    isList
    isPath
    isString
    length
    mapAttrs
    replaceStrings
    split
    toJSON
    ;
  inherit (lib)
    concatMapAttrsStringSep
    concatMapStringsSep
    concatStringsSep
    escape
    functionArgs
    init
    isDerivation
    isFunction
    last
    ;
  inherit (lib.strings) escapeNixIdentifier;

  # Attributes that mean something to the evaluator stay as they are.
  special = [
    "__functor"
    "__functionArgs"
    "__toString"
    "__pretty"
  ];
in
rec {
  mkValueStringDefault =
    { }:
    value:
    let
      refuse =
        what: abort "generators.mkValueStringDefault: ${what} not supported: ${toPretty { } value}";
    in
    if isInt value || isString value || isDerivation value then
      toString value
    else if isFloat value then
      lib.strings.floatToString value
    else if value == true then
      "true"
    else if value == false then
      "false"
    else if value == null then
      "null"
    else if isList value then
      refuse "lists"
    else if isFunction value then
      refuse "functions"
    else if isAttrs value then
      refuse "attrsets"
    else
      refuse "this value is";

  mkKeyValueDefault =
    {
      mkValueString ? mkValueStringDefault { },
    }:
    sep: key: value:
    "${escape [ sep ] key}${sep}${mkValueString value}";

  toKeyValue =
    {
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
      indent ? "",
    }:
    let
      line = key: value: "${indent}${mkKeyValue key value}\n";
      lines =
        key: value:
        if listsAsDuplicateKeys && isList value then
          lib.concatMapStrings (line key) value
        else
          line key value;
    in
    concatMapAttrsStringSep "" lines;

  toINI =
    {
      mkSectionName ? escape [
        "["
        "]"
      ],
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
    }:
    concatMapAttrsStringSep "\n" (
      name: section:
      "[${mkSectionName name}]\n" + toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } section
    );

  toINIWithGlobalSection =
    {
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
      ...
    }@format:
    {
      globalSection,
      sections ? { },
    }:
    lib.optionalString (globalSection != { }) (
      toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } globalSection + "\n"
    )
    + toINI format sections;

  toJSON = { }: builtins.toJSON;
  # Every JSON document is a YAML document.
  toYAML = toJSON;

  # Replaces what lies deeper than `depthLimit`, so that showing an endless value ends.
  withRecursion =
    {
      depthLimit,
      throwOnDepthLimit ? true,
    }:
    let
      deeper =
        depth: value:
        if depthLimit == null || depth <= depthLimit then
          go depth value
        else if throwOnDepthLimit then
          throw "Exceeded maximum eval-depth limit of ${toString depthLimit} while trying to evaluate with `generators.withRecursion'!"
        else
          "<unevaluated>";
      go =
        depth: value:
        if isAttrs value then
          mapAttrs (name: inner: if elem name special then inner else deeper (depth + 1) inner) value
        else if isList value then
          map (deeper (depth + 1)) value
        else
          deeper' (depth + 1) value;
      deeper' =
        depth: value: if depthLimit == null || depth <= depthLimit then value else deeper depth value;
    in
    go 0;

  # Nix syntax for people: complete, but derivations and functions are only named.
  toPretty =
    {
      allowPrettyValues ? false,
      multiline ? true,
      indent ? "",
    }:
    let
      go =
        indent: value:
        let
          open = if multiline then "\n${indent}  " else " ";
          close = if multiline then "\n${indent}" else " ";
          inner = go "${indent}  ";
          arguments = functionArgs value;
        in
        if isString value then
          text open close value
        else if isFloat value then
          builtins.toJSON value
        else if isInt value || isPath value then
          toString value
        else if value == true then
          "true"
        else if value == false then
          "false"
        else if value == null then
          "null"
        else if value == [ ] then
          "[ ]"
        else if isList value then
          "[${open}${concatMapStringsSep open inner value}${close}]"
        else if isFunction value then
          if arguments == { } then
            "<function>"
          else
            "<function, args: {${
              concatMapAttrsStringSep ", " (name: optional: if optional then "${name}?" else name) arguments
            }}>"
        else if allowPrettyValues && value ? __pretty && value ? val then
          value.__pretty value.val
        else if value == { } then
          "{ }"
        else if isDerivation value then
          "<derivation ${value.name or "???"}>"
        else
          "{${open}${
            concatMapAttrsStringSep open (
              name: attribute: "${escapeNixIdentifier name} = ${inner attribute};"
            ) value
          }${close}}";

      text =
        open: close: value:
        let
          lines = filter isString (split "\n" value);
          quoted = map (escape [
            "\\"
            "\""
            "\${"
          ]) lines;
          indented = map (replaceStrings [ "\${" "''" ] [ "''\${" "'''" ]) lines;
          end = if last indented == "" then close else open + last indented;
        in
        if multiline && length lines > 1 then
          "''${open}${concatStringsSep open (init indented)}${end}''"
        else
          "\"${concatStringsSep "\\n" quoted}\"";
    in
    go indent;
}
