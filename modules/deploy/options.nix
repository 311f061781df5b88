# Whether, when and over which connection a host is deployed.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.homelab.deploy;
  seconds =
    { default, description }:
    mkOption {
      type = types.ints.positive;
      inherit default description;
      example = 2 * default;
    };
  runnerLabels = {
    x86_64-linux = "nix";
    aarch64-linux = "nix-aarch64";
  };
  inherit (config.nixpkgs.hostPlatform) system;
in
{
  options.homelab.deploy = {
    enable = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether the host is deployed with the fleet; one that is not is still evaluated and built.";
    };
    targetHost = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "192.168.0.92";
      description = "Address under which the host is reached over ssh.";
    };
    wave = mkOption {
      type = types.ints.unsigned;
      default = 1;
      example = 0;
      description = ''
        When the host has its turn: lower waves go first, and a wave that fails leaves the later ones untouched. Hosts
        that may break first belong in wave 0; those that carry the forge, the runner, the cache or the proxy in the
        last one, since a deployment that breaks them cannot repair them.
      '';
    };
    sshUser = mkOption {
      type = types.str;
      default = "deploy";
      example = "operator";
      description = "User as whom the deployment logs in.";
    };
    sshOpts = mkOption {
      type = types.listOf types.str;
      # Without them a host that has lost power holds a deployment up for minutes.
      default = [
        "-oConnectTimeout=10"
        "-oServerAliveInterval=5"
        "-oServerAliveCountMax=6"
      ];
      example = [
        "-p"
        "2222"
      ];
      description = "Arguments for ssh, one list element each.";
    };
    hostKeys = mkOption {
      type = types.listOf (types.strMatching "[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?");
      default = [ ];
      example = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKe0lvzRW5KcRXlNBCTCmZnDlVsyr/HYhzHcUJFpuqvP" ];
      description = ''
        Public keys of the host's sshd, as in `/etc/ssh/ssh_host_ed25519_key.pub`. Deployments accept these and no others.
        Without any, the keys in the `known_hosts` of whoever deploys count, and one that is not there is never accepted.
      '';
    };
    notify = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = {
            kind = mkOption {
              type = types.enum [
                "webhook"
                "ntfy"
              ];
              default = "webhook";
              example = "ntfy";
              description = "What is sent: the report as JSON, or a title and lines of text as ntfy takes them.";
            };
            url = mkOption {
              type = types.str;
              example = "https://ntfy.example.org/fleet";
              description = "Where it is posted to, by whoever deploys.";
            };
          };
        }
      );
      default = { };
      example = lib.literalExpression ''{ phone = { kind = "ntfy"; url = "https://ntfy.example.org/fleet"; }; }'';
      description = "Who is told what became of this host in a deployment, by name. The URL is no place for a secret.";
    };
    confirmTimeout = seconds {
      default = 30;
      description = "Seconds within which a new connection has to confirm the activation, else the host rolls back.";
    };
    activationTimeout = seconds {
      default = 240;
      description = ''
        Seconds that the activation may take. A guard gives each step of going back three times as long, since nothing
        comes after it.
      '';
    };
    runnerLabel = mkOption {
      type = types.str;
      default =
        runnerLabels.${system}
          or (throw "there is no usual CI runner for ${system}: set homelab.deploy.runnerLabel to the label of a runner that builds it");
      defaultText = lib.literalMD "`nix` on x86_64-linux, `nix-aarch64` on aarch64-linux";
      example = "nix-big";
      description = "Label of the CI runner that builds this host.";
    };
  };

  config.assertions = [
    {
      assertion = cfg.enable -> cfg.targetHost != null;
      message = ''
        ${config.homelab.host.name} is deployable, but nobody knows its address: set homelab.deploy.targetHost,
        or homelab.deploy.enable = false if it is never deployed.
      '';
    }
  ];
}
