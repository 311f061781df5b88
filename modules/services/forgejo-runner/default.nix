# A CI runner whose jobs run on the host itself, with its Nix store.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.homelab.services.forgejoRunner;
in
{
  options.homelab.services.forgejoRunner = {
    enable = lib.mkEnableOption "a Forgejo runner";
    url = lib.mkOption {
      type = lib.types.str;
      default = "https://git.${config.homelab.site.domain}";
      defaultText = lib.literalMD "`https://git.` followed by {option}`homelab.site.domain`";
      example = "http://127.0.0.1:3000";
      description = "Address of the forge.";
    };
    tokenFile = lib.mkOption {
      type = lib.types.str;
      default = "/var/lib/forgejo-runner/token";
      example = "/run/secrets/forgejo-runner-token";
      description = ''
        File on the host with the line `TOKEN=…`, a registration token of the forge. The runner does not start without
        it, so that a fresh host comes up before its forge knows it.
      '';
    };
    labels = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ config.homelab.deploy.runnerLabel ];
      defaultText = lib.literalExpression "[ config.homelab.deploy.runnerLabel ]";
      example = [
        "nix"
        "kvm"
      ];
      description = "Labels of the jobs that this runner takes: `nix` for any, `kvm` where the host has `/dev/kvm`.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.gitea-actions-runner = {
      package = pkgs.forgejo-runner;
      instances.fleet = {
        enable = true;
        inherit (config.homelab.host) name;
        inherit (cfg) url tokenFile;
        labels = map (label: "${label}:host") cfg.labels;
        # As the forge (modules/services/forgejo); each ends jobs by itself.
        settings.runner.timeout = "9h";
        hostPackages = [
          pkgs.bash
          # `xtask check` judges the crates with them.
          pkgs.cargo
          pkgs.clippy
          pkgs.coreutils
          pkgs.curl
          # `xtask deploy` would compile one of its own.
          pkgs.deploy-rs
          pkgs.gawk
          pkgs.gcc
          pkgs.git
          pkgs.gnused
          pkgs.nix
          pkgs.nodejs
          pkgs.openssh
          pkgs.rustc
          pkgs.rustfmt
        ];
      };
    };
    systemd.services.gitea-runner-fleet = {
      unitConfig.ConditionPathExists = cfg.tokenFile;
      # The deployment of this host may be a job of this very runner, which would end with it half-way. What changes of the
      # runner comes with the next boot, or by `systemctl restart gitea-runner-fleet`.
      restartIfChanged = false;
    };
  };
}
