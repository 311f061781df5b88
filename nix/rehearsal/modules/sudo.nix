# security.sudo: /etc/sudoers with NixOS' order of rules (the last one that matches wins).
{
  lib,
  config,
  standin,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (standin) opt;
  cfg = config.security.sudo;
  command =
    c:
    if builtins.isString c then
      c
    else
      lib.concatMapStrings (o: "${o}:") c.options + lib.optionalString (c.options != [ ]) " " + c.command;
  rule =
    r:
    lib.concatMapStrings
      (who: "${who} ${r.host}=(${r.runAs}) ${lib.concatMapStringsSep ", " command r.commands}\n")
      (
        map (u: if builtins.isInt u then "#${toString u}" else u) r.users
        ++ map (g: if builtins.isInt g then "%#${toString g}" else "%${g}") r.groups
      );
  everything = options: {
    command = "ALL";
    options = options ++ [ "SETENV" ];
  };
in
{
  options.security.sudo = {
    enable = opt types.bool true;
    wheelNeedsPassword = opt types.bool true;
    extraConfig = opt types.lines "";
    extraRules = opt (types.listOf (
      types.submodule {
        options = {
          host = opt types.str "ALL";
          runAs = opt types.str "ALL:ALL";
          users = opt (types.listOf (types.either types.str types.int)) [ ];
          groups = opt (types.listOf (types.either types.str types.int)) [ ];
          commands = mkOption {
            type = types.listOf (
              types.either types.str (
                types.submodule {
                  options.command = mkOption { type = types.str; };
                  options.options = opt (types.listOf types.str) [ ];
                }
              )
            );
          };
        };
      }
    )) [ ];
  };

  config = lib.mkIf cfg.enable {
    security.sudo.extraRules = lib.mkMerge [
      # Early, so that what a host adds comes later and wins.
      (lib.mkOrder 400 [
        {
          users = [ "root" ];
          commands = [ (everything [ ]) ];
        }
      ])
      (lib.mkOrder 600 [
        {
          groups = [ "wheel" ];
          commands = [ (everything (lib.optional (!cfg.wheelNeedsPassword) "NOPASSWD")) ];
        }
      ])
    ];
    environment.etc.sudoers = {
      mode = "0440";
      text = ''
        # Written by the rehearsal's security.sudo.
        Defaults secure_path="/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        Defaults env_keep += "NIXOS_NO_CHECK"
        ${
          lib.concatMapStrings rule (builtins.filter (r: r.commands != [ ]) cfg.extraRules)
        }${cfg.extraConfig}
      '';
    };
    system.preSwitchChecks.sudoers = ''visudo -cq -f "$1/etc/sudoers"'';
  };
}
