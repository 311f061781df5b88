# Options as such: how they are declared, how plain values of them merge, and how they are shown to people.
{ lib }:
let
  inherit (builtins)
    all
    concatLists
    concatMap
    concatStringsSep
    filter
    foldl'
    head
    isAttrs
    isBool
    isInt
    isList
    isString
    length
    match
    split
    tail
    tryEval
    ;
  inherit (lib) isFunction optionalAttrs types;
  inherit (lib.generators) toPretty withRecursion;

  priorityHint = "Use `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these definitions.\n";

  literal =
    kind: text:
    if isString text then
      {
        _type = kind;
        inherit text;
      }
    else
      throw "${kind} expects a string.";

  shownLines =
    value:
    let
      limited = withRecursion {
        depthLimit = 10;
        throwOnDepthLimit = false;
      } value;
    in
    filter isString (split "\n" (toPretty { } limited));
in
rec {
  unknownModule = "<unknown-file>";

  isOption = lib.isType "option";

  # The arguments are spelled out so that a typing error in a declaration is an error.
  mkOption =
    {
      type ? null,
      default ? null,
      defaultText ? null,
      example ? null,
      description ? null,
      apply ? null,
      readOnly ? null,
      internal ? null,
      visible ? null,
      relatedPackages ? null,
    }@option:
    option // { _type = "option"; };

  mkEnableOption =
    name:
    mkOption {
      default = false;
      example = true;
      description = "Whether to enable ${name}.";
      type = types.bool;
    };

  mkPackageOption =
    pkgs: name:
    {
      nullable ? false,
      default ? name,
      example ? null,
      extraDescription ? "",
      pkgsText ? "pkgs",
    }:
    let
      path = lib.toList default;
      pathText = lib.showAttrPath path;
      shown = if isList name then lib.last name else name;
    in
    mkOption (
      {
        type = if nullable then types.nullOr types.package else types.package;
        description =
          "The ${shown} package to use." + lib.optionalString (extraDescription != "") " ${extraDescription}";
      }
      // (
        if default != null then
          {
            default = lib.attrByPath path (throw "${pathText} cannot be found in ${pkgsText}") pkgs;
            defaultText = literalExpression "${pkgsText}.${pathText}";
          }
        else
          optionalAttrs nullable { default = null; }
      )
      // optionalAttrs (example != null) {
        example = literalExpression (
          if isList example then "${pkgsText}.${lib.showAttrPath example}" else example
        );
      }
    );

  literalExpression = literal "literalExpression";
  literalMD = literal "literalMD";

  getValues = map (def: def.value);
  getFiles = map (def: def.file);

  # For types that say nothing about merging: what can be joined without loss is joined.
  mergeDefaultOption =
    loc: defs:
    let
      values = getValues defs;
    in
    if length values == 1 then
      head values
    else if all isFunction values then
      x: mergeDefaultOption loc (map (def: def // { value = def.value x; }) defs)
    else if all isList values then
      concatLists values
    else if all isAttrs values then
      foldl' (a: b: a // b) { } values
    else if all isBool values then
      foldl' (a: b: a || b) false values
    else if all isString values then
      concatStringsSep "" values
    else if all isInt values && all (v: v == head values) values then
      head values
    else
      throw "Cannot merge definitions of `${showOption loc}'. Definition values:${showDefs defs}";

  mergeUniqueOption =
    {
      message,
      merge ? _: defs: (head defs).value,
    }:
    loc: defs:
    if length defs == 1 then
      merge loc defs
    else
      throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique.\n${message}\nDefinition values:${showDefs defs}\n${priorityHint}";

  mergeOneOption = mergeUniqueOption { message = ""; };

  mergeEqualOption =
    loc: defs:
    let
      first = head defs;
      same =
        def:
        def.value == first.value
        || throw "The option `${showOption loc}' has conflicting definition values:${
          showDefs [
            first
            def
          ]
        }\n${priorityHint}";
    in
    assert all same (tail defs);
    first.value;

  # Parts that are no identifiers are quoted; `*` and `<name>` stand for parts that are not known.
  showOption =
    parts:
    concatStringsSep "." (
      map (
        part:
        if part == "*" || match "<(.*)>" part != null then part else lib.strings.escapeNixIdentifier part
      ) parts
    );

  showFiles = files: concatStringsSep " and " (map (file: "`${file}'") files);

  # Each definition with its file and its value, the latter cut short, and left out where it cannot be evaluated.
  showDefs =
    defs:
    concatStringsSep "" (
      map (
        def:
        let
          shown = tryEval (
            let
              lines = shownLines def.value;
              cut = lib.take 5 lines ++ lib.optional (length lines > 5) "...";
            in
            (if length lines > 1 then ":\n    " else ": ") + concatStringsSep "\n    " cut
          );
        in
        "\n- In `${def.file}'${if shown.success then shown.value else ""}"
      ) defs
    );

  # Every option below `options`, those inside of submodules too, as plain data for documentation and tests.
  optionAttrSetToDocList =
    options:
    concatMap (
      opt:
      let
        visible = opt.visible or true;
        nested = opt.type.getSubOptions opt.loc;
        emptyValue = opt.type.emptyValue or { };
        hasDefault =
          opt ? defaultText || opt ? default || emptyValue ? value && opt.type.getSubModules or null == null;
      in
      [
        (
          {
            inherit (opt) loc;
            name = showOption opt.loc;
            description = opt.description or null;
            declarations = filter (file: file != unknownModule) opt.declarations;
            internal = opt.internal or false;
            visible = if isBool visible then visible else visible == "shallow";
            readOnly = opt.readOnly or false;
            type = opt.type.description or "unspecified";
          }
          // optionalAttrs (opt ? example) { example = renderOptionValue opt.example; }
          // optionalAttrs hasDefault {
            default = renderOptionValue (opt.defaultText or opt.default or emptyValue.value);
          }
        )
      ]
      ++ lib.optionals (nested != { } && (if isBool visible then visible else visible == "transparent")) (
        optionAttrSetToDocList nested
      )
    ) (lib.collect isOption options);

  renderOptionValue =
    value:
    if value ? _type && value ? text then
      value
    else
      literalExpression (toPretty { allowPrettyValues = true; } value);
}
