# Hands out this flake's outputs. `lib.mkFleet` makes them, for our own hosts as for anyone else's.
slipway:
let
  # Systems that checks, packages and shells are offered for. A host of another system evaluates all the same.
  systems = [
    "x86_64-linux"
    "aarch64-linux"
  ];

  # All outputs of a fleet.
  #   inputs       the calling flake's inputs; nixpkgs, deploy-rs and sops-nix come from Slipway where it has none
  #   hosts        folder with one folder a host
  #   tests        folder with scenarios/ and generations/; a fleet without them has no scenarios
  #   modules      what every host of this fleet imports besides Slipway's own modules
  #   specialArgs  handed to every host; whoever passes some can no longer say what a host's evaluation reads, so that
  #                the inventory calls the fleet not hermetic
  mkFleet =
    {
      inputs,
      hosts ? inputs.self + "/hosts",
      tests ? inputs.self + "/tests",
      modules ? [ ],
      specialArgs ? { },
    }:
    let
      all = removeAttrs slipway [ "self" ] // inputs;
      # A commit id or the source's own path inside a configuration would change every host with every commit.
      visible = removeAttrs all [ "self" ];
      inherit (all.nixpkgs) lib;
      eachSystem = f: lib.genAttrs systems (system: f system all.nixpkgs.legacyPackages.${system});

      fleet = import ./fleet.nix {
        inherit lib hosts nixosConfigurations;
        inherit (inputs) self;
        stage = all.nixpkgs.slipway.stage or "nixos";
        hermetic = specialArgs == { };
      };
      configured = import ./hosts.nix {
        inherit
          lib
          hosts
          modules
          specialArgs
          fleet
          ;
        inputs = visible;
        # Text alone: in a host it makes names of files relative, and reaches no toplevel.
        root = toString inputs.self;
      };
      inherit (configured) nixosConfigurations;
      deploy = import ./deploy.nix {
        inherit lib fleet nixosConfigurations;
        inherit (all) deploy-rs;
      };
      plays = import ./plays.nix {
        inherit lib tests;
        hosts = lib.attrNames nixosConfigurations;
      };
      scenarios = import ./scenarios.nix {
        inherit
          lib
          tests
          nixosConfigurations
          plays
          ;
        inherit (all) deploy-rs;
      };
      # The rehearsal stage has no NixOS test driver; cargo xtask vm-test plays there.
      vmTestsOf =
        system: pkgs:
        lib.optionalAttrs (fleet.stage == "nixos") (
          import ../tests/nixos {
            inherit
              lib
              pkgs
              system
              fleet
              configured
              plays
              ;
            inherit (all) deploy-rs;
            inherit (packages.${system}) xtask;
          }
        );
      vmTests = eachSystem vmTestsOf;
      playJobs = eachSystem (
        system: pkgs:
        import ./play-jobs.nix {
          inherit lib system;
          vmTests = _: vmTestsOf system pkgs;
        }
      );
      packages = eachSystem (_: pkgs: import ./packages.nix { inherit lib pkgs; });
      apps = eachSystem (
        system: pkgs:
        import ./apps.nix {
          inherit lib pkgs;
          inherit (fleet) stage;
          packages = packages.${system};
        }
      );
    in
    {
      inherit
        fleet
        nixosConfigurations
        deploy
        packages
        apps
        ;
      # What each scenario's machines run, by scenario, host and generation.
      inherit (scenarios) scenarioGenerations hostGenerations;
      checks = eachSystem (
        system: pkgs:
        import ./checks.nix {
          inherit
            lib
            system
            pkgs
            fleet
            nixosConfigurations
            deploy
            ;
          inherit (all) deploy-rs;
          inherit (packages.${system}) xtask;
          source = inputs.self;
        }
        // lib.mapAttrs' (name: lib.nameValuePair "vm-${name}") (
          lib.getAttrs (builtins.filter (name: playJobs.${system} ? ${name}) [
            "deploy-rollback"
            "harmonia"
          ]) playJobs.${system}
        )
      );
      # What builds whole systems stands apart from the checks, which a laptop without KVM or a cache builds too.
      hydraJobs = {
        hosts = lib.mapAttrs (_: host: host.config.system.build.toplevel) nixosConfigurations;
        vmTests = playJobs;
      };
      inherit vmTests;
      devShells = eachSystem (_: pkgs: import ./shell.nix { inherit pkgs; });
      formatter = eachSystem (
        system: pkgs:
        pkgs.writeShellApplication {
          name = "slipway-fmt";
          runtimeInputs = [ packages.${system}.xtask ];
          text = ''exec xtask fmt "$@"'';
        }
      );
    };
in
mkFleet {
  inputs = slipway;
  hosts = ../hosts;
  modules = [ ../hosts/site.nix ];
}
// {
  lib = { inherit mkFleet; };
  templates = import ./templates.nix;
  nixosModules = {
    # Outside of a fleet nothing deploys a host, and importing the modules changes nothing.
    default = {
      imports = [ ../modules ];
      homelab.deploy.enable = slipway.nixpkgs.lib.mkDefault false;
    };
    nix-cache = ../modules/common/nix-cache.nix;
  };
}
