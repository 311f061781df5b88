# A host that builds for the others, and the door at which CI asks it for releases.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.homelab.builder;
  inherit (cfg) releases;
  guard = config.homelab.deploy.guard.package;
  # Of the signer: its clone, its counter, and the door's lock.
  home = "/var/lib/slipway-signer";
  door = {
    inherit (releases) program;
    args = [
      "--stage"
      "nixos"
      "--no-setup"
      "--plain"
      "release"
      "--config"
      releases.signer
    ]
    ++ lib.optionals (releases.publish != null) [
      "--publish"
      "${releases.publish}/releases"
    ];
    path = lib.makeBinPath [
      config.nix.package
      pkgs.coreutils
      pkgs.git
      pkgs.openssh
    ];
    inherit home;
  };
  entry = name: key: ''command="${guard}/bin/slipway-guard release --as ${name}",restrict ${key}'';
  loginByKey = import ../users/login-by-key.nix;
  # Without the comment at its end, which may be anything.
  bare = key: lib.take 2 (lib.splitString " " key);
  # Whoever logs in under another account's name gets that account's keys and rights.
  belongsToOthers =
    name:
    lib.elem name [
      "root"
      "deploy"
      config.homelab.users.operator.name
    ];
in
{
  options.homelab.builder = {
    enable = lib.mkEnableOption "building the fleet's hosts on this one";
    keys = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = {
        runner = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAsecKDTrymp7Ob9rMF6Ts1q6rbYp0N6/CVrOnraK/PM replace-me@runner.example";
      };
      description = ''
        Public ssh keys of the machines whose builds this one takes (`homelab.builders` on them), by the name of each. Nix
        trusts who comes in by one of them: it is as good as root here, and decides what is built.
      '';
    };
    user = mkOption {
      type = types.str;
      default = "nix-builds";
      example = "builds";
      description = "Account that those machines come in by.";
    };
    systems = mkOption {
      type = types.listOf types.str;
      default = [ config.nixpkgs.hostPlatform.system ];
      defaultText = lib.literalExpression "[ config.nixpkgs.hostPlatform.system ]";
      example = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      description = "What it builds for; a system that it only emulates has to be in `boot.binfmt.emulatedSystems`, too.";
    };
    maxJobs = mkOption {
      type = types.ints.positive;
      default = 2;
      example = 8;
      description = "Builds that each of them may give it at the same time.";
    };
    speedFactor = mkOption {
      type = types.ints.positive;
      default = 1;
      example = 2;
      description = "Of two builders that have equally much to do, the one with the larger number gets the next build.";
    };
    supportedFeatures = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [
        "big-parallel"
        "kvm"
      ];
      description = "What builds may require of it beside the system.";
    };
    releases = {
      enable = lib.mkEnableOption "making releases for whoever asks over ssh with one of `keys`, and may do nothing else with it";
      keys = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = lib.literalExpression "{ inherit (config.homelab.users.deploy.keys) ci; }";
        description = ''
          Public ssh keys that may ask for a release, by the name of whoever holds each. They choose the commit; what is
          signed is for the signer's configuration to say.
        '';
      };
      user = mkOption {
        type = types.str;
        default = "builder";
        example = "releases";
        description = "Account that is asked, and that makes the releases: the signer's keys have to be readable to it alone.";
      };
      signer = mkOption {
        type = types.str;
        default = "/etc/slipway/signer.toml";
        example = "/var/lib/slipway-signer/signer.toml";
        description = "The signer's configuration, a file on the host: whose commits are taken is nothing that a commit says.";
      };
      publish = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "/var/lib/slipway-published";
        description = ''
          Folder below which each host's newest release is put, as `releases/HOST.json`, for hosts that upgrade themselves
          (`homelab.upgrade`). With `homelab.services.harmonia` on the same host the cache serves it.
        '';
      };
      program = mkOption {
        type = types.str;
        default = "${home}/xtask/bin/xtask";
        example = "/opt/slipway/bin/xtask";
        description = ''
          The xtask that makes them, on the host. Whoever keeps the signer puts it there: what judges commits is replaced by
          a person, and no host's configuration changes with every line of xtask.
        '';
      };
    };
  };

  config = lib.mkMerge [
    (lib.mkIf cfg.enable {
      nix.settings = {
        # The next commit needs most of what the last one was built with; without these the weekly collection takes it.
        keep-outputs = true;
        keep-derivations = true;
      };
    })
    (lib.mkIf (cfg.enable && cfg.keys != { }) {
      users.users.${cfg.user} = loginByKey {
        group = cfg.user;
        description = "Builds of other machines";
        keys = lib.mapAttrsToList (
          _: key: ''command="${config.nix.package}/bin/nix-daemon --stdio",restrict ${key}''
        ) cfg.keys;
      };
      users.groups.${cfg.user} = { };
      # Nix builds what it is told to for those alone whom it trusts.
      nix.settings.trusted-users = [ cfg.user ];

      assertions = [
        {
          assertion = config.homelab.deploy.targetHost != null;
          message = ''
            ${config.homelab.host.name} builds for others, but nobody knows its address: set homelab.deploy.targetHost, or
            take the keys out of homelab.builder.keys.
          '';
        }
        {
          assertion = !belongsToOthers cfg.user && cfg.user != releases.user;
          message = ''
            homelab.builder.user is somebody else's account: name one that does nothing but build.
          '';
        }
        {
          assertion =
            lib.intersectLists (map bare (lib.attrValues cfg.keys)) (
              map bare (lib.attrValues config.homelab.users.deploy.keys)
            ) == [ ];
          message = ''
            a key that may deploy is among homelab.builder.keys, which are as good as root on ${config.homelab.host.name}: CI
            has such a key. Give the machine that hands builds out a key of its own.
          '';
        }
        {
          assertion = !releases.enable;
          message = ''
            ${config.homelab.host.name} makes the fleet's releases, and whoever holds one of homelab.builder.keys is as good as
            root on it, and so on every host: take the keys out, or let another host make the releases.
          '';
        }
      ];
    })
    (lib.mkIf releases.enable {
      environment.etc."slipway-guard/builder.json".text = builtins.toJSON door;
      users.users.${releases.user} = loginByKey {
        group = releases.user;
        description = "Releases";
        keys = lib.mapAttrsToList entry releases.keys;
      };
      users.groups.${releases.user} = { };
      systemd.tmpfiles.rules = [
        "d ${home} 0700 ${releases.user} ${releases.user} - -"
      ]
      ++ lib.optionals (releases.publish != null) [
        "d ${releases.publish} 0755 root root - -"
        "d ${releases.publish}/releases 0755 ${releases.user} ${releases.user} - -"
      ];

      assertions = [
        {
          assertion = cfg.enable;
          message = ''
            homelab.builder.releases is enabled on a host that builds nothing for others: set homelab.builder.enable = true,
            or disable it.
          '';
        }
        {
          assertion = releases.keys != { };
          message = ''
            homelab.builder.releases is enabled, but nobody may ask for a release: set homelab.builder.releases.keys, or
            disable it.
          '';
        }
        {
          assertion = lib.all (name: builtins.match "[A-Za-z0-9._-]{1,64}" name != null) (
            lib.attrNames releases.keys
          );
          message = ''
            the names in homelab.builder.releases.keys stand in the journal: use letters, digits, dots, dashes and
            underscores.
          '';
        }
        {
          assertion = !belongsToOthers releases.user;
          message = ''
            homelab.builder.releases.user is somebody else's account: name one that does nothing but make releases.
          '';
        }
      ];
    })
  ];
}
