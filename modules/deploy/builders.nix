# A host that hands builds to the fleet's builders, by Nix's own remote building: what it builds itself then is what none
# of them has room for.
{
  config,
  fleet,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.homelab.builders;
  machine = types.submodule {
    options = {
      hostName = mkOption {
        type = types.str;
        example = "192.168.0.20";
        description = "Address under which it is reached over ssh.";
      };
      user = mkOption {
        type = types.str;
        default = "nix-builds";
        example = "root";
        description = "Account there; Nix on that machine has to trust it.";
      };
      systems = mkOption {
        type = types.listOf types.str;
        example = [ "aarch64-linux" ];
        description = "What it builds for.";
      };
      maxJobs = mkOption {
        type = types.ints.positive;
        default = 1;
        example = 8;
        description = "Builds that it is given at the same time.";
      };
      speedFactor = mkOption {
        type = types.ints.positive;
        default = 1;
        example = 2;
        description = "Of two that have equally much to do, the one with the larger number gets the next build.";
      };
      supportedFeatures = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "kvm" ];
        description = "What its builds may require beside the system.";
      };
      hostKeys = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKe0lvzRW5KcRXlNBCTCmZnDlVsyr/HYhzHcUJFpuqvP" ];
        description = ''
          Public keys of its sshd. Without any, those in root's `known_hosts` count, and one that is not there is never
          accepted.
        '';
      };
    };
  };
  ofFleet = lib.mapAttrs (
    _: host:
    host.buildMachine
    // {
      hostName = host.targetHost;
      inherit (host) hostKeys;
    }
  ) (lib.filterAttrs (_: host: host.buildMachine != null && host.targetHost != null) fleet.hosts);
in
{
  options.homelab.builders = {
    enable = lib.mkEnableOption "building on the fleet's builders";
    sshKey = mkOption {
      type = types.str;
      default = "/etc/slipway/builders";
      example = "/run/secrets/builders";
      description = ''
        File on the host with the private ssh key that the builders let in (`homelab.builder.keys`), for root alone to
        read. Whoever has it is as good as root on each of them.
      '';
    };
    machines = mkOption {
      type = types.attrsOf machine;
      default = { };
      example = lib.literalExpression ''
        { rented = { hostName = "arm.example.org"; systems = [ "aarch64-linux" ]; maxJobs = 4; }; }
      '';
      description = "Machines that build, by name: the fleet's own are here already, others are added.";
    };
  };

  config = lib.mkIf cfg.enable {
    homelab.builders.machines = lib.mapAttrs (_: lib.mapAttrs (_: lib.mkDefault)) ofFleet;

    nix = {
      distributedBuilds = true;
      buildMachines = lib.mapAttrsToList (_: machine: {
        inherit (machine)
          hostName
          systems
          maxJobs
          speedFactor
          supportedFeatures
          ;
        protocol = "ssh-ng";
        sshUser = machine.user;
        inherit (cfg) sshKey;
      }) cfg.machines;
      # What a build needs comes to the builder from its own caches, not through this host.
      settings.builders-use-substitutes = true;
    };
    programs.ssh.knownHosts = lib.listToAttrs (
      lib.concatLists (
        lib.mapAttrsToList (
          name: machine:
          lib.imap1 (
            number: publicKey:
            lib.nameValuePair "builder-${name}-${toString number}" {
              hostNames = [ machine.hostName ];
              inherit publicKey;
            }
          ) machine.hostKeys
        ) cfg.machines
      )
    );

    assertions = [
      {
        assertion = cfg.machines != { };
        message = ''
          homelab.builders is enabled, and no host of the fleet builds for others: set homelab.builder.enable and
          homelab.builder.keys on one, or name a machine in homelab.builders.machines.
        '';
      }
      {
        assertion = !config.homelab.builder.enable;
        message = ''
          ${config.homelab.host.name} builds for others and would hand what it is given on, at worst back to where it came
          from: disable homelab.builders or homelab.builder.
        '';
      }
    ];
  };
}
