# The account that deployments come in by.
{ config, lib, ... }:
let
  cfg = config.homelab.users.deploy;
  trusted = config.nix.settings.trusted-users;
  guard = config.homelab.deploy.guard;
  # With the guard a key has one command, whatever its holder asks for; the name tells the keys apart in its history.
  entry =
    name: key:
    if guard.enable then
      ''command="${guard.package}/bin/slipway-guard ssh --as ${name}",restrict ${key}''
    else
      "restrict ${key}";
in
{
  options.homelab.users.deploy = {
    enable = lib.mkEnableOption "the user `deploy`, as whom CI and workstations deploy this host";
    entry = lib.mkOption {
      type = lib.types.raw;
      internal = true;
      readOnly = true;
      default = entry;
      description = "Given a holder's name and a key, the line by which sshd knows them.";
    };
    keys = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      example = {
        ci = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7aNaGGC/q7qUw9Jv5RGneqK1PkvLyi7LRTWSo7QDN8 replace-me@ci.example";
      };
      description = ''
        Public ssh keys that may deploy, by the name of whoever holds each: one for CI and one a workstation, so that
        each can be taken back alone. The key in the example, like those in `hosts/site.nix`, belongs to nobody.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    users.users.deploy = import ../login-by-key.nix {
      group = "deploy";
      description = "Deployments";
      # No terminal, no forwarding, no agent: a deployment needs none of them.
      keys = lib.mapAttrsToList entry cfg.keys;
    };
    users.groups.deploy = { };

    # Without the guard: the two programs that deploy-rs runs as root. Whoever holds a key still becomes root through the first, since Nix
    # takes a content-addressed path without a signature, and that path may hold an activate-rs of their own. The list
    # prevents accidents; a key is to be kept as one of root's.
    security.sudo.extraRules = lib.mkIf (!guard.enable) [
      {
        users = [ "deploy" ];
        commands =
          map
            (command: {
              inherit command;
              options = [ "NOPASSWD" ];
            })
            [
              "/nix/store/*/activate-rs"
              # As sudo resolves `rm`: which coreutils the system path holds is NixOS's choice.
              "/run/current-system/sw/bin/rm /tmp/deploy-rs-canary-*"
            ];
      }
    ];

    assertions = [
      {
        assertion = cfg.keys != { };
        message = ''
          homelab.users.deploy is enabled, but nobody can log in: set homelab.users.deploy.keys, or disable it.
        '';
      }
      # The user is not trusted by Nix on purpose. A trusted user adds paths without a signature and names substituters
      # of its own, for every other user too; untrusted, what it brings under a package's name has to be signed.
      {
        assertion = !(lib.elem "deploy" trusted || lib.elem "@deploy" trusted || lib.elem "*" trusted);
        message = ''
          nix.settings.trusted-users makes the user deploy as good as root: take "deploy", "@deploy" or "*" out of it,
          and let the builder sign what is deployed.
        '';
      }
    ];
  };
}
