# Sets as arguments of programs.
{ lib }:
let
  inherit (builtins)
    concatLists
    concatMap
    isBool
    isList
    stringLength
    ;
  inherit (lib.generators) mkValueStringDefault;
in
rec {
  # `optionFormat name` says how an option is written: `{ option; sep; explicitBool; formatArg; }`.
  toCommandLine =
    optionFormat: options:
    let
      render =
        name: value:
        let
          format = optionFormat name;
          inherit (format) option sep explicitBool;
          argument = (format.formatArg or (mkValueStringDefault { })) value;
        in
        if value == null || !explicitBool && value == false then
          [ ]
        else if !explicitBool && value == true then
          [ option ]
        else if sep != null then
          [ "${option}${sep}${argument}" ]
        else
          [
            option
            argument
          ];
    in
    concatLists (
      lib.mapAttrsToList (
        name: value: if isList value then concatMap (render name) value else render name value
      ) options
    );

  toCommandLineGNU =
    {
      isLong ? name: stringLength name > 1,
      explicitBool ? false,
      formatArg ? mkValueStringDefault { },
    }:
    toCommandLine (name: {
      option = if isLong name then "--${name}" else "-${name}";
      sep = if isLong name then "=" else "";
      inherit explicitBool formatArg;
    });

  toCommandLineShellGNU = format: options: lib.escapeShellArgs (toCommandLineGNU format options);

  # The older form, with the value as an argument of its own.
  toGNUCommandLine =
    {
      mkOptionName ? name: if stringLength name == 1 then "-${name}" else "--${name}",
      mkBool ? name: value: lib.optional value (mkOptionName name),
      mkList ? name: concatMap (mkOption name),
      mkOption ?
        name: value:
        if value == null then
          [ ]
        else if optionValueSeparator == null then
          [
            (mkOptionName name)
            (mkValueStringDefault { } value)
          ]
        else
          [ "${mkOptionName name}${optionValueSeparator}${mkValueStringDefault { } value}" ],
      optionValueSeparator ? null,
    }:
    options:
    concatLists (
      lib.mapAttrsToList (
        name: value:
        (
          if isBool value then
            mkBool
          else if isList value then
            mkList
          else
            mkOption
        )
          name
          value
      ) options
    );

  toGNUCommandLineShell = format: options: lib.escapeShellArgs (toGNUCommandLine format options);
}
