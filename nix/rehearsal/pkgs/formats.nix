# pkgs.formats.<name> { }: a type for settings and a generator that writes them, for the formats that modules use.
{ lib, final }:
let
  inherit (lib) types;
  # `description` is what the recorded option list shows for the types of all formats.
  any =
    (types.nullOr (
      types.oneOf [
        types.bool
        types.int
        types.float
        types.str
        types.path
        (types.attrsOf any)
        (types.listOf any)
      ]
    ))
    // {
      description = "value";
    };

  tomlValue =
    v:
    if builtins.isAttrs v && !lib.isDerivation v then
      "{ ${lib.concatStringsSep ", " (lib.mapAttrsToList (k: x: "${tomlKey k} = ${tomlValue x}") v)} }"
    else if builtins.isList v then
      "[${lib.concatMapStringsSep ", " tomlValue v}]"
    else if builtins.isBool v || builtins.isInt v || builtins.isFloat v then
      builtins.toJSON v
    else
      # TOML's basic strings take JSON's escapes.
      builtins.toJSON (toString v);
  tomlKey = k: if builtins.match "[A-Za-z0-9_-]+" k != null then k else builtins.toJSON k;
  isTable = v: builtins.isAttrs v && !lib.isDerivation v;
  toTOML =
    path: attrs:
    let
      present = lib.filterAttrs (_: v: v != null) attrs;
      plain = lib.filterAttrs (_: v: !isTable v) present;
      tables = lib.filterAttrs (_: isTable) present;
    in
    lib.optionalString (path != [ ]) "[${lib.concatMapStringsSep "." tomlKey path}]\n"
    + lib.concatStrings (lib.mapAttrsToList (k: v: "${tomlKey k} = ${tomlValue v}\n") plain)
    + lib.concatStrings (lib.mapAttrsToList (k: v: toTOML (path ++ [ k ]) v) tables);
in
{
  inherit any;
  json =
    { }:
    {
      type = any;
      generate = name: value: final.writeText name (builtins.toJSON value);
    };
  # JSON is YAML.
  yaml =
    { }:
    {
      type = any;
      generate = name: value: final.writeText name (builtins.toJSON value);
    };
  toml =
    { }:
    {
      type = any;
      generate = name: value: final.writeText name (toTOML [ ] value);
    };
}
