# What the plays of tests/scenarios/ need of Nix: for each host and generation that a scenario names, that host's own
# configuration, for tests, with the generation's module added, and what deploy-rs would copy of it.
{
  lib,
  tests,
  nixosConfigurations,
  deploy-rs,
  plays,
}:
let
  activatable = import ./activatable.nix { inherit lib deploy-rs; };
  inherit (plays) modulesOf;

  make =
    host: generation: modules:
    let
      # For tests, a host trusts the play's keys and knows the other machines; nothing else of it changes.
      extended = nixosConfigurations.${host}.extendModules { modules = [ ../tests/machine ] ++ modules; };
      inherit (extended) config;
      profile = activatable extended;
      inherit (nixosConfigurations.${host}) pkgs;
    in
    pkgs.linkFarm "${host}-${generation}" {
      inherit (config.system.build) toplevel;
      inherit profile;
      "host.json" = pkgs.writeText "host.json" (
        builtins.toJSON (import ../tests/machine/host.nix { inherit config profile; })
      );
    };
  # Made once, whichever scenarios name them.
  shared = lib.mapAttrs (
    host: _:
    lib.genAttrs (plays.named ".nix" (tests + "/generations") ++ [ "as-configured" ]) (
      generation: make host generation (modulesOf "" generation)
    )
  ) nixosConfigurations;

  generationsOf =
    scenario: played:
    let
      wanted = lib.concatMap (play: lib.attrValues play.machines) played;
      ofHost = lib.foldAttrs (generations: all: generations ++ all) [ ] (
        map (machine: { ${machine.host} = machine.generations; }) wanted
      );
    in
    lib.mapAttrs (
      host: generations:
      lib.genAttrs (lib.unique generations) (
        generation:
        let
          modules = modulesOf scenario generation;
        in
        if shared.${host} ? ${generation} && modules == modulesOf "" generation then
          shared.${host}.${generation}
        else
          make host generation modules
      )
    ) ofHost;
in
{
  scenarioGenerations = lib.mapAttrs (
    name: played:
    builtins.addErrorContext "while reading tests/scenarios/${name}.toml" (generationsOf name played)
  ) plays.plays;
  # Every shared generation of every host, for whoever starts a host without a scenario.
  hostGenerations = shared;
}
