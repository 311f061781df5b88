# Secrets: in the repository, encrypted to the hosts that use them and to the operators; sops-nix decrypts them on the
# host, with the key of its sshd. Which secrets there are and where they end up is said in `sops.secrets`.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.homelab.secrets;
  # A path becomes text without being copied to the store. What lies outside of the fleet keeps its absolute path.
  relative =
    path: if cfg.root == "" then toString path else lib.removePrefix "${cfg.root}/" (toString path);
  secrets = config.sops.secrets or { };
in
{
  options.homelab.secrets = {
    file = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = lib.literalExpression "./secrets.yaml";
      description = ''
        The host's own file of secrets, in its folder: where `sops.secrets` are looked for unless they name another one.
        `cargo xtask secrets rekey` makes a rule for it in `.sops.yaml`, so that it can be named before it is there.
      '';
    };
    operators = mkOption {
      type = types.attrsOf types.str;
      default = config.homelab.users.operator.keys;
      defaultText = lib.literalExpression "config.homelab.users.operator.keys";
      example = {
        ann = "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq";
      };
      description = ''
        Who can read this host's secrets beside the host, by name: public ssh keys (ed25519 or rsa) or age recipients. A
        key that deploys any host, or asks for releases, is refused, whoever holds it, since CI's is one of them.
      '';
    };
    root = mkOption {
      type = types.str;
      internal = true;
      default = "";
      description = "The fleet's folder in the store, which the inventory names files relative to; mkFleet sets it.";
    };
    inventory = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      description = "What the inventory says of this host's secrets; null if it has none.";
    };
  };

  config = {
    # sops-nix takes away what is no longer stated when it puts the next secrets there. After the last one it puts none,
    # and what was there would stay until the next boot.
    system.activationScripts.lastSecrets =
      lib.concatMapStrings
        (
          { folder, left }:
          lib.optionalString (left == [ ]) ''
            rm -f ${folder}
            if [ -d ${folder}.d ]; then find ${folder}.d -mindepth 1 -delete; fi
          ''
        )
        [
          {
            folder = "/run/secrets";
            left = lib.filter (secret: !secret.neededForUsers) (lib.attrValues secrets);
          }
          {
            folder = "/run/secrets-for-users";
            left = lib.filter (secret: secret.neededForUsers) (lib.attrValues secrets);
          }
        ];

    homelab.secrets.inventory =
      if cfg.file == null && secrets == { } then
        null
      else
        {
          file = if cfg.file == null then null else relative cfg.file;
          inherit (cfg) operators;
          uses = lib.mapAttrs (_: secret: {
            file = relative secret.sopsFile;
            inherit (secret) format key;
          }) secrets;
        };
  }
  # Outside of a fleet nobody may have imported sops-nix.
  // lib.optionalAttrs (options ? sops) {
    sops = {
      defaultSopsFile = lib.mkIf (cfg.file != null) cfg.file;
      # The key that `homelab.deploy.hostKeys` states, and that files are encrypted to.
      age.sshKeyPaths = [ "/etc/ssh/ssh_host_ed25519_key" ];
      # Else sops-nix takes sshd's rsa key for a second way in.
      gnupg.sshKeyPaths = [ ];
    };
  };
}
