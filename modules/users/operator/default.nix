# The person who is called at night.
{ config, lib, ... }:
let
  cfg = config.homelab.users.operator;
in
{
  options.homelab.users.operator = {
    enable = lib.mkEnableOption "an account for the operator, who may become root";
    name = lib.mkOption {
      type = lib.types.str;
      default = "operator";
      example = "alice";
      description = "Login name.";
    };
    keys = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      example = {
        laptop = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJR9/ZPYtnlBva8WZluKk2aB+s0FfX5/NQHvcgubUo2S replace-me@operator.example";
      };
      description = ''
        Public ssh keys of the operator, by the device that holds each. The key in the example, like those in
        `hosts/site.nix`, belongs to nobody.
      '';
    };
    hashedPasswordFile = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "/var/lib/operator/password.hash";
      description = ''
        File on the host with the password's hash, for the console and for sudo. Without one the operator comes in by
        key only, and sudo asks for nothing.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    users.mutableUsers = false;
    users.users.${cfg.name} = {
      isNormalUser = true;
      description = "Operator";
      extraGroups = [
        "systemd-journal"
        "wheel"
      ];
      inherit (cfg) hashedPasswordFile;
      openssh.authorizedKeys.keys = lib.attrValues cfg.keys;
    };
    # Asking for a password that does not exist would lock the operator out of root.
    security.sudo.wheelNeedsPassword = cfg.hashedPasswordFile != null;

    assertions = [
      {
        assertion = cfg.keys != { };
        message = ''
          homelab.users.operator is enabled, but ${cfg.name} cannot log in: set homelab.users.operator.keys.
        '';
      }
    ];
  };
}
