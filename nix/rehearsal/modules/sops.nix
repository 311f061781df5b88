# sops-nix' module, imported by every host. What its sops-install-secrets does on NixOS, activation/secrets.pl does on the
# guest, with the guest's own sops. A rehearsed machine has a key of its own and never the host's: it decrypts what was
# encrypted to that key, and of anything else the activation fails, as on a host that is no recipient.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  opt = type: default: mkOption { inherit type default; };
  cfg = config.sops;
  outsideOfTheStore = lib.mkOptionType {
    name = "pathNotInStore";
    description = "path not in the Nix store";
    descriptionClass = "noun";
    check = path: !lib.hasPrefix "${builtins.storeDir}/" (toString path);
    merge = lib.mergeEqualOption;
  };
  secret = types.submodule (
    { config, ... }:
    {
      options = {
        name = opt types.str config._module.args.name;
        key = opt types.str (
          if cfg.defaultSopsKey != null then cfg.defaultSopsKey else config._module.args.name
        );
        path = opt types.str (
          if config.neededForUsers then
            "/run/secrets-for-users/${config.name}"
          else
            "/run/secrets/${config.name}"
        );
        format = opt (types.enum [
          "yaml"
          "json"
          "binary"
          "dotenv"
          "ini"
        ]) cfg.defaultSopsFormat;
        mode = opt types.str "0400";
        owner = opt (types.nullOr types.str) null;
        uid = opt (types.nullOr types.int) 0;
        group = opt (types.nullOr types.str) (
          if config.owner != null then users.${config.owner}.group else null
        );
        gid = opt (types.nullOr types.int) 0;
        sopsFile = mkOption { type = types.path; };
        sopsFileHash = mkOption {
          type = types.str;
          readOnly = true;
        };
        restartUnits = opt (types.listOf types.str) [ ];
        reloadUnits = opt (types.listOf types.str) [ ];
        neededForUsers = opt types.bool false;
      };
      config = {
        sopsFile = lib.mkOptionDefault cfg.defaultSopsFile;
        sopsFileHash = lib.mkOptionDefault (
          lib.optionalString cfg.validateSopsFiles (builtins.hashFile "sha256" config.sopsFile)
        );
      };
    }
  );
  inherit (config.users) users;
  names = lib.attrNames cfg.secrets;
  missing = builtins.filter (name: !builtins.pathExists cfg.secrets.${name}.sopsFile) names;
  # Users' passwords have to be there before the users are.
  early = lib.filterAttrs (_: secret: secret.neededForUsers) cfg.secrets;
  late = lib.filterAttrs (_: secret: !secret.neededForUsers) cfg.secrets;
  # As the host gets it: the file of each secret, encrypted.
  decrypt =
    secrets: link:
    let
      manifest = pkgs.writeText "manifest.json" (
        builtins.toJSON {
          secrets = lib.attrValues secrets;
          symlinkPath = link;
          secretsMountPoint = "${link}.d";
          ageKeyFile = cfg.age.keyFile;
          ageSshKeyPaths = cfg.age.sshKeyPaths;
        }
      );
      program = pkgs.writeScript "secrets.pl" (builtins.readFile ../activation/secrets.pl);
    in
    "perl ${program} ${manifest}";
in
{
  options.sops = {
    secrets = opt (types.attrsOf secret) { };
    defaultSopsFile = mkOption { type = types.path; };
    defaultSopsFormat = opt types.str "yaml";
    defaultSopsKey = opt (types.nullOr types.str) null;
    validateSopsFiles = opt types.bool true;
    age = {
      keyFile = opt (types.nullOr outsideOfTheStore) null;
      sshKeyPaths = opt (types.listOf types.path) [ ];
    };
    gnupg = {
      home = opt (types.nullOr types.str) null;
      sshKeyPaths = opt (types.listOf types.path) [ ];
    };
  };

  config = lib.mkIf (cfg.secrets != { }) {
    assertions = [
      {
        assertion =
          cfg.gnupg.home != null
          || cfg.gnupg.sshKeyPaths != [ ]
          || cfg.age.keyFile != null
          || cfg.age.sshKeyPaths != [ ];
        message = "No key source configured for sops. Either set services.openssh.enable or set sops.age.keyFile or sops.gnupg.home";
      }
    ]
    ++ map (name: {
      assertion = !cfg.validateSopsFiles;
      message = "Cannot find path '${
        toString cfg.secrets.${name}.sopsFile
      }' set in sops.secrets.${name}.sopsFile";
    }) missing
    ++ map (name: {
      assertion =
        let
          secret = early.${name};
        in
        secret.owner == null && secret.uid == 0 && secret.group == null && secret.gid == 0;
      message = "neededForUsers cannot be used for secrets that are not root-owned";
    }) (lib.attrNames early);

    system.activationScripts = {
      setupSecretsForUsers = lib.mkIf (early != { }) (decrypt early "/run/secrets-for-users");
      users = lib.mkIf (early != { }) { deps = [ "setupSecretsForUsers" ]; };
      setupSecrets = lib.mkIf (late != { }) {
        deps = [ "users" ];
        text = decrypt late "/run/secrets";
      };
    };

    # The guest has no gpg.
    system.preSwitchChecks.sops = lib.mkIf (cfg.gnupg.home != null || cfg.gnupg.sshKeyPaths != [ ]) ''
      echo "sops.gnupg cannot be rehearsed: this machine decrypts with age alone" >&2
      exit 1
    '';
  };
}
