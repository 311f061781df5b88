# The plays of tests/scenarios/ as NixOS tests, for `vmTests.<system>.<play>`: each machine a node with the host's own
# modules, the controller another node, and the player (player/) as test script.
{
  lib,
  pkgs,
  system,
  fleet,
  configured,
  plays,
  deploy-rs,
  # This repository's own program.
  xtask,
}:
let
  activatable = import ../../nix/activatable.nix { inherit lib deploy-rs; };
  reasons = import ./capabilities.nix { inherit lib; };
  addresses = import ../machine/addresses.nix { inherit lib fleet; };
  hosts = lib.attrNames configured.nixosConfigurations;

  # Only what is imported: a change to a test of the player is no change of the tests.
  player = builtins.path {
    name = "scenario-player";
    path = ./.;
    filter =
      path: type:
      path == toString ./player
      || dirOf path == toString ./player && (lib.hasSuffix ".py" path || baseNameOf path == "py.typed");
  };
  # Keeps room on the disks of hosts' machines, whose image is otherwise as large as what is in it.
  room = pkgs.runCommand "room" { } "truncate -s 1G $out";

  # A host's machine. What it is beside the host is said once, for all of its generations.
  machineNode =
    play:
    {
      host,
      generations,
      inStore,
    }:
    let
      modulesOf = plays.modulesOf play.scenario;
    in
    { nodes, ... }:
    {
      imports =
        configured.modulesOf host
        ++ [
          ../machine
          ./node.nix
          ./generations.nix
        ]
        ++ modulesOf (lib.head generations);
      config = {
        slipway.generations = lib.genAttrs generations modulesOf;
        slipway.first = lib.head generations;
        # The machine's name for itself. Drivers before 26.05 call it by this, later ones by the name of its node, which
        # is therefore the same.
        networking.hostName = lib.mkOverride 900 host;
        # The driver's default is the release that it is of.
        system.stateVersion =
          lib.mkOverride 900
            configured.nixosConfigurations.${host}.config.system.stateVersion;
        networking.interfaces.eth1.ipv4.addresses = [
          {
            address = addresses.${host};
            prefixLength = 24;
          }
        ];
        virtualisation.additionalPaths = [
          room
        ]
        ++ map (of: activatable { config = generationOf play nodes of.machine of.generation; }) inStore;
      };
    };
  # The configuration of a machine's generation.
  generationOf =
    play: nodes: machine: generation:
    nodes.${play.machines.${machine}.host}.slipway.evaluated.${generation};

  helperNode = name: {
    imports = [
      ../machine/network.nix
      ./helper.nix
    ];
    _module.args = { inherit fleet; };
    networking.interfaces.eth1.ipv4.addresses = [
      {
        address = addresses.${name};
        prefixLength = 24;
      }
    ];
  };

  controllerNode = play: {
    imports = [
      ../machine/network.nix
      ./controller.nix
    ];
    _module.args = { inherit fleet; };
    environment.systemPackages = [
      (deploy-rs.packages.${system}.deploy-rs or pkgs.deploy-rs)
      xtask
    ];
    networking.interfaces.eth1.ipv4.addresses = [
      {
        address = addresses.controller;
        prefixLength = 24;
      }
    ];
    # A machine need not be called as its host.
    networking.hosts = lib.foldAttrs (name: names: [ name ] ++ names) [ ] (
      lib.mapAttrsToList (machine: { host, ... }: { ${addresses.${host}} = machine; }) play.machines
    );
  };

  # What the player is told of the machines, and what Nix has built for it.
  ground =
    play: nodes:
    let
      closures = lib.mapAttrs (
        machine:
        { generations, ... }:
        lib.genAttrs generations (
          generation:
          let
            config = generationOf play nodes machine generation;
            profile = activatable { inherit config; };
          in
          {
            inherit (config.system.build) toplevel;
            inherit profile;
            # The derivation without what it builds, and without building that once more.
            deriver = builtins.unsafeDiscardOutputDependency profile.drvPath;
            host = import ../machine/host.nix { inherit config profile; };
          }
        )
      ) play.machines;
      each = lib.concatMap lib.attrValues (lib.attrValues closures);
    in
    {
      inherit closures room;
      files = lib.genAttrs [
        "bring.sh"
        "fleet.nix"
        "fleet.sh"
        "metrics.jq"
        "metrics.sh"
        "release.sh"
      ] (file: builtins.readFile (../machine + "/${file}"));
      addresses =
        lib.mapAttrs (_: machine: addresses.${machine.host}) play.machines
        // lib.genAttrs (play.helpers ++ [ "controller" ]) (name: addresses.${name});
      nodes =
        lib.mapAttrs (_: machine: machine.host) play.machines
        // lib.genAttrs (play.helpers ++ [ "controller" ]) (name: name);
      registration = "${
        pkgs.closureInfo {
          rootPaths = lib.concatMap (closure: [
            closure.toplevel
            closure.profile
            closure.deriver
          ]) each;
        }
      }/registration";
    };

  test =
    play:
    pkgs.testers.runNixOSTest (
      { ... }:
      {
        name = play.name;
        # Hosts' modules set nixpkgs.hostPlatform.
        node.pkgsReadOnly = false;
        node.specialArgs = configured.arguments;
        globalTimeout = 3600;
        nodes =
          lib.mapAttrs' (_: machine: lib.nameValuePair machine.host (machineNode play machine)) play.machines
          // lib.genAttrs play.helpers helperNode
          // {
            controller = controllerNode play;
          };
        testScript =
          { nodes, ... }:
          let
            given = pkgs.writeText "${play.name}.json" (
              builtins.toJSON {
                play = play.name;
                inherit (play) scenario;
                inherit hosts;
                tree = plays.trees.${play.scenario};
                ground = ground play nodes;
              }
            );
          in
          ''
            import sys

            sys.path.insert(0, "${player}")
            from player.main import run  # type: ignore # noqa: E402

            run("${given}", driver.machines, subtest, log.info)
          '';
      }
    );

  # A test needs a machine that all of its hosts run on.
  isHere =
    play:
    lib.all (machine: fleet.hosts.${machine.host}.system == system) (lib.attrValues play.machines);
  isPlayable = play: reasons play.tree == [ ];
in
lib.listToAttrs (
  map (play: lib.nameValuePair play.name (test play)) (
    builtins.filter (play: isHere play && isPlayable play) (
      lib.concatLists (lib.attrValues plays.plays)
    )
  )
)
