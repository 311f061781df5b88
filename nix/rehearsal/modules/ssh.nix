# programs.ssh: the keys of other machines that ssh accepts, for all users.
{
  lib,
  config,
  standin,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (standin) flag maybe opt;
  known = config.programs.ssh.knownHosts;
in
{
  options.programs.ssh.knownHosts = opt (types.attrsOf (
    types.submodule (
      { name, config, ... }:
      {
        options = {
          certAuthority = flag;
          hostNames = mkOption {
            type = types.listOf types.str;
            default = [ name ] ++ config.extraHostNames;
            defaultText = lib.literalExpression "[ ‹name› ] ++ config.extraHostNames";
          };
          extraHostNames = opt (types.listOf types.str) [ ];
          publicKey = maybe types.str null;
          publicKeyFile = maybe types.path null;
        };
      }
    )
  )) { };

  config = {
    environment.etc."ssh/ssh_known_hosts" = lib.mkIf (known != { }) {
      text = lib.concatStrings (
        lib.mapAttrsToList (
          _: host:
          lib.optionalString host.certAuthority "@cert-authority "
          + "${lib.concatStringsSep "," host.hostNames} "
          + (if host.publicKey != null then host.publicKey else builtins.readFile host.publicKeyFile)
          + "\n"
        ) known
      );
    };
    assertions = lib.mapAttrsToList (name: host: {
      assertion = (host.publicKey == null) != (host.publicKeyFile == null);
      message = "programs.ssh.knownHosts.${name} needs either publicKey or publicKeyFile";
    }) known;
  };
}
