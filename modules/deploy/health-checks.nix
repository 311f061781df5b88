# When a freshly activated host counts as healthy. Whoever deploys runs these on the host itself.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  healthCheck = {
    options = {
      command = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "systemctl is-active nginx.service";
        description = "Shell command that exits with 0 on a healthy host.";
      };
      url = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "http://127.0.0.1/healthz";
        description = "URL that answers with a 2xx status on a healthy host.";
      };
      user = mkOption {
        type = types.str;
        default = "root";
        example = "nobody";
        description = "User as whom the check runs.";
      };
      settle = mkOption {
        type = types.ints.unsigned;
        default = 0;
        example = 20;
        description = "Seconds to wait after the activation before the first attempt.";
      };
      retries = mkOption {
        type = types.ints.unsigned;
        default = 3;
        example = 10;
        description = "Further attempts after a failed one.";
      };
      timeout = mkOption {
        type = types.ints.positive;
        default = 10;
        example = 30;
        description = "Seconds that one attempt may take.";
      };
    };
  };
in
{
  options.homelab.deploy.healthChecks = mkOption {
    type = types.attrsOf (types.submodule healthCheck);
    default = { };
    example = lib.literalExpression ''{ proxy.url = "http://127.0.0.1/healthz"; }'';
    description = "Checks that all pass on a healthy host, by name.";
  };

  config.assertions = lib.mapAttrsToList (name: check: {
    assertion = (check.command == null) != (check.url == null);
    message = ''
      health check "${name}" of ${config.homelab.host.name} needs exactly one of command and url:
      set homelab.deploy.healthChecks."${name}".command or .url, and not the other.
    '';
  }) config.homelab.deploy.healthChecks;
}
