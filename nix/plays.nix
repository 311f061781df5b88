# The files in tests/scenarios/ as plays: a scenario, each cell of one with `each`, each control. What a file may say is
# `cargo xtask vm-test --check`'s to tell; here is what Nix needs of it: names, machines, generations.
{
  lib,
  tests,
  hosts,
}:
let
  list = folder: if builtins.pathExists folder then builtins.readDir folder else { };
  # The names of a folder's regular files with this ending, without it.
  named =
    ending: folder:
    map (lib.removeSuffix ending) (
      lib.attrNames (
        lib.filterAttrs (name: type: type == "regular" && lib.hasSuffix ending name) (list folder)
      )
    );

  # "{{key}}" in all strings, as the players replace it: a string that is nothing else takes the value with its type.
  put =
    values: value:
    let
      keys = lib.attrNames values;
      whole = builtins.match "[{][{]([^{}]+)[}][}]" value;
      # A list or a table in the midst of a text is refused by --check.
      text =
        v:
        if builtins.isList v || builtins.isAttrs v then
          builtins.toJSON v
        else
          lib.generators.mkValueStringDefault { } v;
    in
    if builtins.isAttrs value then
      lib.mapAttrs (_: put values) value
    else if builtins.isList value then
      map (put values) value
    else if !builtins.isString value then
      value
    else if whole != null && values ? ${lib.head whole} then
      values.${lib.head whole}
    else
      builtins.replaceStrings (map (key: "{{${key}}}") keys) (map (key: text values.${key}) keys) value;

  # The cells of a scenario, each with its name (null for one that is no matrix) and the file as it is for that cell.
  cells =
    tree:
    let
      rest = removeAttrs tree [ "each" ];
      row =
        values:
        let
          name = values.name or (lib.concatMapStringsSep "-" toString (lib.attrValues values));
        in
        {
          inherit name;
          tree = put (values // { inherit name; }) rest;
        };
    in
    if !tree ? each then
      [
        {
          name = null;
          tree = rest;
        }
      ]
    else if tree.each == "hosts" then
      map (
        host:
        row {
          inherit host;
          name = host;
        }
      ) hosts
    else if builtins.isList tree.each then
      map row tree.each
    else
      throw "`each` is neither \"hosts\" nor a list of tables";

  # The machines that are hosts of the fleet, as they stand in a cell.
  machines =
    tree:
    lib.mapAttrs (
      machine: settings:
      let
        host = settings.host or machine;
      in
      if !builtins.elem host hosts then
        throw "machine `${machine}`: there is no host `${host}`; the hosts are ${toString hosts}"
      else
        {
          inherit host;
          generations = settings.generations or [ "as-configured" ];
          inStore = map (
            name:
            let
              parts = lib.splitString "." name;
            in
            {
              machine = if lib.length parts == 2 then lib.head parts else machine;
              generation = lib.last parts;
            }
          ) (settings.in-store or [ ]);
        }
    ) (lib.filterAttrs (_: settings: !(settings.helper or false)) (tree.machines or { }));

  playsOf =
    scenario: tree:
    let
      all = cells tree;
      play = cell: {
        inherit scenario;
        inherit (cell) tree;
        name = scenario + lib.optionalString (cell.name != null) "-${cell.name}";
        cell = cell.name;
        machines = machines cell.tree;
        helpers = lib.attrNames (
          lib.filterAttrs (_: settings: settings.helper or false) (cell.tree.machines or { })
        );
      };
      controls = lib.imap1 (
        number: control:
        let
          of = play (lib.findFirst (cell: cell.name == control.cell or null) (lib.head all) all);
        in
        of // { name = "${of.name}-control-${toString number}"; }
      ) (tree.controls or [ ]);
    in
    map play all ++ controls;
in
rec {
  inherit named;
  # The files as they stand.
  trees = lib.genAttrs (named ".toml" (tests + "/scenarios")) (
    name: lib.importTOML (tests + "/scenarios/${name}.toml")
  );
  # By scenario.
  plays = lib.mapAttrs (
    name: tree:
    builtins.addErrorContext "while reading tests/scenarios/${name}.toml" (playsOf name tree)
  ) trees;

  # The modules that make a generation of a host: those of its parts, of which `as-configured` has none.
  modulesOf =
    scenario: generation: lib.concatMap (modulesOfPart scenario) (lib.splitString "+" generation);
  modulesOfPart =
    scenario: generation:
    let
      own = tests + "/scenarios/${scenario}/${generation}.nix";
      shared = tests + "/generations/${generation}.nix";
    in
    if generation == "as-configured" then
      [ ]
    else if builtins.pathExists own then
      [ own ]
    else if builtins.pathExists shared then
      [ shared ]
    else
      throw "there is no generation `${generation}`: neither tests/scenarios/${scenario}/${generation}.nix nor tests/generations/${generation}.nix exists";
}
