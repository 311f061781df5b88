# sops-nix' module, imported by every host. A rehearsed machine has a key of its own and never the host's, so that nothing
# here can decrypt what is encrypted to the host: a configuration with secrets is evaluated and built, and the guest
# refuses to be switched to it.
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
  # As the host gets it: the file of each secret, encrypted.
  manifest = pkgs.writeText "manifest.json" (
    builtins.toJSON { secrets = lib.attrValues cfg.secrets; }
  );
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
    }) missing;

    system.preSwitchChecks.sops = ''
      echo "the secrets ${lib.concatStringsSep ", " names} are encrypted to the real host, and this machine is a rehearsal" >&2
      echo "what it would have been given: ${manifest}" >&2
      exit 1
    '';
  };
}
