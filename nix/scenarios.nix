# What the files in tests/scenarios/ need of Nix: for each host and generation that a scenario names, that host's own
# configuration, for tests, with the generation's module added, and what deploy-rs would copy of it. What the steps
# mean is none of Nix' business.
{
  lib,
  tests,
  fleet,
  nixosConfigurations,
  deploy-rs,
}:
let
  activatable = import ./activatable.nix { inherit lib deploy-rs; };
  list = folder: if builtins.pathExists folder then builtins.readDir folder else { };
  # The names of a folder's regular files with this ending, without it.
  named =
    ending: folder:
    map (lib.removeSuffix ending) (
      lib.attrNames (
        lib.filterAttrs (name: type: type == "regular" && lib.hasSuffix ending name) (list folder)
      )
    );

  # "{{key}}" in a string, as the players replace it.
  substitute =
    values: text:
    let
      keys = lib.attrNames values;
    in
    if builtins.isString text then
      builtins.replaceStrings (map (key: "{{${key}}}") keys) (map (key: toString values.${key}) keys) text
    else
      text;

  # A row of values for each cell; one empty row for a scenario that is not a matrix.
  cells =
    scenario:
    let
      each = scenario.each or [ { } ];
    in
    if each == "hosts" then
      map (host: { inherit host; }) (lib.attrNames nixosConfigurations)
    else if builtins.isList each then
      each
    else
      throw "`each` is neither \"hosts\" nor a list of tables";

  # The machines of one cell that are hosts of the fleet: which host, and which of its generations.
  machines =
    scenario: values:
    lib.mapAttrs (
      machine: settings:
      let
        host = substitute values (settings.host or machine);
        inStore = builtins.filter (name: !lib.hasInfix "." name) (settings.in-store or [ ]);
      in
      if !nixosConfigurations ? ${host} then
        throw "machine `${machine}`: there is no host `${host}`; the hosts are ${toString (lib.attrNames nixosConfigurations)}"
      else
        {
          inherit host;
          generations = map (substitute values) (settings.generations or [ "as-configured" ] ++ inStore);
        }
    ) (lib.filterAttrs (_: settings: !(settings.helper or false)) (scenario.machines or { }));

  # The module that makes a generation of a host; null where there is nothing to add.
  moduleOf =
    scenarioName: generation:
    let
      own = tests + "/scenarios/${scenarioName}/${generation}.nix";
      shared = tests + "/generations/${generation}.nix";
    in
    if generation == "as-configured" then
      null
    else if builtins.pathExists own then
      own
    else if builtins.pathExists shared then
      shared
    else
      throw "there is no generation `${generation}`: neither tests/scenarios/${scenarioName}/${generation}.nix nor tests/generations/${generation}.nix exists";

  # For tests, a host trusts the play's keys and knows the other machines; nothing else of it changes.
  forTests = lib.mapAttrs (
    _: host: host.extendModules { modules = [ ../tests/machine ]; }
  ) nixosConfigurations;
  make =
    host: generation: module:
    let
      extended =
        if module == null then
          forTests.${host}
        else
          nixosConfigurations.${host}.extendModules {
            modules = [
              ../tests/machine
              module
            ];
          };
      inherit (extended.config.homelab) inventory;
      inherit (nixosConfigurations.${host}) pkgs;
    in
    pkgs.linkFarm "${host}-${generation}" {
      inherit (extended.config.system.build) toplevel;
      profile = activatable extended;
      # What deploy-rs is told of the host, but for the profile: null for a host that is not deployed.
      "node.json" = pkgs.writeText "node.json" (builtins.toJSON inventory.node);
    };
  # Made once, whichever scenarios name them.
  shared = lib.mapAttrs (
    host: _:
    lib.genAttrs (named ".nix" (tests + "/generations") ++ [ "as-configured" ]) (
      generation: make host generation (moduleOf "" generation)
    )
  ) nixosConfigurations;

  generationsOf =
    name: scenario:
    let
      wanted = lib.concatMap (values: lib.attrValues (machines scenario values)) (cells scenario);
      ofHost = lib.foldAttrs (generations: all: generations ++ all) [ ] (
        map (machine: { ${machine.host} = machine.generations; }) wanted
      );
    in
    lib.mapAttrs (
      host: generations:
      lib.genAttrs (lib.unique generations) (
        generation:
        let
          module = moduleOf name generation;
        in
        if shared.${host} ? ${generation} && module == moduleOf "" generation then
          shared.${host}.${generation}
        else
          make host generation module
      )
    ) ofHost;
in
rec {
  # The files as they stand.
  scenarios = lib.genAttrs (named ".toml" (tests + "/scenarios")) (
    name: lib.importTOML (tests + "/scenarios/${name}.toml")
  );
  scenarioGenerations = lib.mapAttrs (
    name: scenario:
    builtins.addErrorContext "while reading tests/scenarios/${name}.toml" (generationsOf name scenario)
  ) scenarios;
  # Every shared generation of every host, for whoever starts a host without a scenario.
  hostGenerations = shared;
  inherit moduleOf;
}
