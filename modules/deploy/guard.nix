# The guard: the only program that the deploy user's keys reach. It takes what a signed release names for this host.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.homelab.deploy.guard;
  deploy = config.homelab.users.deploy;
  inherit (config.homelab) upgrade;
  esp = config.boot.loader.efi.efiSysMountPoint;
  onSystemdBoot = config.boot.loader.systemd-boot.enable;
  MiB = 1024 * 1024;
  program = package: name: "${package}/bin/${name}";
  allowedSigners = pkgs.writeText "allowed-signers" (
    lib.concatStrings (
      lib.mapAttrsToList (
        name: key: "${name} namespaces=\"slipway-release@v1\" ${key}\n"
      ) cfg.releaseSigners
    )
  );
  settings = {
    host = config.homelab.host.name;
    allowedSigners =
      if cfg.allowedSignersFile != null then cfg.allowedSignersFile else "${allowedSigners}";
    inherit (cfg) trustedPublicKeys trustedPublicKeyFiles operators;
    deployUser = "deploy";
    testLeaseSeconds = config.homelab.deploy.testLease;
    activationTimeoutSeconds = config.homelab.deploy.activationTimeout;
    unattendedReboot = config.homelab.reboot.unattended;
    rebootWindow = config.homelab.inventory.reboot.window;
    loader = if onSystemdBoot then "systemd-boot" else "other";
    esp = if onSystemdBoot then esp else null;
    minFree = {
      store = cfg.minFreeStore * MiB;
      esp = cfg.minFreeEsp * MiB;
    };
    inherit (config.homelab.inventory) healthChecks;
    upgrade =
      if upgrade.enable then
        {
          user = "upgrade";
          unit = "slipway-upgrade.service";
          takesBuilds = upgrade.source == "hydra";
        }
      else
        null;
    path = lib.makeBinPath [
      pkgs.coreutils
      pkgs.systemd
      config.nix.package
      "/run/current-system/sw"
    ];
    programs = {
      nix = program config.nix.package "nix";
      nixEnv = program config.nix.package "nix-env";
      nixStore = program config.nix.package "nix-store";
      nixDaemon = program config.nix.package "nix-daemon";
      sshKeygen = program pkgs.openssh "ssh-keygen";
      sh = pkgs.runtimeShell;
      curl = program pkgs.curl "curl";
      setpriv = program pkgs.util-linux "setpriv";
      systemctl = program pkgs.systemd "systemctl";
      systemdRun = program pkgs.systemd "systemd-run";
      bootctl = program pkgs.systemd "bootctl";
    };
  };
in
{
  options.homelab.deploy = {
    testLease = mkOption {
      type = types.ints.positive;
      default = 4 * 3600;
      example = 3600;
      description = "Seconds after which the host returns from a test activation to what it boots, unless the release says otherwise.";
    };
    guard = {
      enable = lib.mkEnableOption "the guard, through which alone the user `deploy` deploys this host";
      package = mkOption {
        type = types.package;
        default = import ../../nix/guard.nix { inherit lib pkgs; };
        defaultText = lib.literalExpression "slipway-guard";
        example = lib.literalExpression "pkgs.slipway-guard";
        description = "The guard's program.";
      };
      releaseSigners = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = {
          builder = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7aNaGGC/q7qUw9Jv5RGneqK1PkvLyi7LRTWSo7QDN8 replace-me@builder.example";
        };
        description = "Public ssh keys that may sign releases, by the name of who holds each.";
      };
      allowedSignersFile = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "/etc/slipway/allowed_signers";
        description = "File on the host, in the form of `ssh-keygen`, that takes the place of `releaseSigners`.";
      };
      trustedPublicKeys = mkOption {
        type = types.listOf types.str;
        default = config.homelab.nixCache.publicKeys ++ [
          "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="
        ];
        defaultText = lib.literalMD "those of `homelab.nixCache.publicKeys`, and that of cache.nixos.org";
        example = [ "cache.home.example.org-1:H4tQRdBtjGy9X/y5AX3BpeQ88pd6xk23ftmoDJe0cMU=" ];
        description = "Public keys, each as `name:key`, one of which has to have signed each path of what is deployed.";
      };
      trustedPublicKeyFiles = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "/etc/slipway/trusted-keys" ];
        description = "Files on the host with further such keys, a line each.";
      };
      operators = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "workstation" ];
        description = ''
          Names of `homelab.users.deploy.keys` whose holders may also hold the host, keep what is being tested, and reboot
          when they like, out of `homelab.reboot.window` with `reboot --now`. CI is none of them.
        '';
      };
      minFreeStore = mkOption {
        type = types.ints.positive;
        default = 512;
        example = 2048;
        description = "MiB that have to be free where the store is, before anything is activated.";
      };
      minFreeEsp = mkOption {
        type = types.ints.positive;
        default = 4;
        example = 16;
        description = "MiB that have to be free on the EFI partition beyond the new kernel and initrd.";
      };
    };
  };

  config = lib.mkIf cfg.enable {
    environment.etc."slipway-guard/config.json".text = builtins.toJSON settings;
    # For whoever stands at the console: `slipway-guard local status`.
    environment.systemPackages = [ cfg.package ];

    systemd.sockets.slipway-guard = {
      description = "Door of Slipway's guard";
      wantedBy = [ "sockets.target" ];
      socketConfig = {
        ListenStream = "/run/slipway-guard.socket";
        SocketUser = "root";
        SocketGroup = config.users.users.deploy.group;
        SocketMode = "0660";
      };
    };
    systemd.services.slipway-guard = {
      description = "Slipway's guard";
      wantedBy = [ "multi-user.target" ];
      requires = [ "slipway-guard.socket" ];
      after = [
        "slipway-guard.socket"
        "slipway-guard-boot.service"
      ];
      unitConfig.RequiresMountsFor = "/var/lib/slipway-guard";
      # Whom it lets in is asked once.
      restartTriggers = [ (builtins.toJSON settings.upgrade) ];
      # Its activations are units of their own: it may start again, as a newer one, in the middle of one.
      serviceConfig = {
        ExecStart = "${program cfg.package "slipway-guard"} serve";
        Restart = "always";
        RestartSec = 1;
        UMask = "0077";
        OOMScoreAdjust = -500;
        LockPersonality = true;
        PrivateTmp = true;
        ProtectControlGroups = true;
        RestrictRealtime = true;
      };
    };
    systemd.services.slipway-guard-boot = {
      description = "Slipway's guard, early: ends tests, repairs what a power cut left";
      wantedBy = [ "multi-user.target" ];
      before = [
        "slipway-guard.service"
        "sshd.service"
      ];
      # It is about boots; that an activation starts it again changes nothing, and it says so itself.
      restartIfChanged = false;
      unitConfig.RequiresMountsFor = [ "/var/lib/slipway-guard" ] ++ lib.optional onSystemdBoot esp;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${program cfg.package "slipway-guard"} boot";
        UMask = "0077";
      };
    };

    assertions = [
      {
        assertion = deploy.enable;
        message = ''
          homelab.deploy.guard is enabled, but there is no user deploy for whom it is the door: set
          homelab.users.deploy.enable = true, or disable the guard.
        '';
      }
      {
        assertion = cfg.releaseSigners != { } || cfg.allowedSignersFile != null;
        message = ''
          homelab.deploy.guard is enabled, but nobody may sign a release, so that nothing could be deployed: set
          homelab.deploy.guard.releaseSigners to the builder's key.
        '';
      }
      {
        assertion = cfg.trustedPublicKeys != [ ] || cfg.trustedPublicKeyFiles != [ ];
        message = ''
          homelab.deploy.guard is enabled, but no closure would be trusted: set homelab.deploy.guard.trustedPublicKeys to
          the key with which the fleet's builder signs.
        '';
      }
      {
        assertion = lib.all (name: deploy.keys ? ${name}) cfg.operators;
        message = ''
          homelab.deploy.guard.operators names a key that homelab.users.deploy.keys has not got: name one of
          ${lib.concatStringsSep ", " (lib.attrNames deploy.keys)}.
        '';
      }
      {
        assertion = lib.all (name: name != "root" && builtins.match "[A-Za-z0-9._-]{1,64}" name != null) (
          lib.attrNames deploy.keys
        );
        message = ''
          the names in homelab.users.deploy.keys stand in the guard's history: use letters, digits, dots, dashes and
          underscores, and not root.
        '';
      }
      {
        assertion = lib.all (name: builtins.match "[A-Za-z0-9._-]+" name != null) (
          lib.attrNames cfg.releaseSigners
        );
        message = ''
          the names in homelab.deploy.guard.releaseSigners stand in ssh-keygen's file of signers: use letters, digits, dots,
          dashes and underscores.
        '';
      }
    ];
  };
}
