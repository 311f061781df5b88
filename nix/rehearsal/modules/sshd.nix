# services.openssh: an sshd_config of its own, and keys from /etc/ssh/authorized_keys.d.
{
  lib,
  config,
  pkgs,
  standin,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (standin) opt maybe;
  cfg = config.services.openssh;
  value =
    v:
    if builtins.isBool v then
      (if v then "yes" else "no")
    else if builtins.isList v then
      lib.concatStringsSep " " v
    else
      toString v;
in
{
  options.services.openssh = {
    enable = opt types.bool false;
    ports = mkOption {
      type = types.listOf types.port;
      default = [ 22 ];
      defaultText = "22";
    };
    openFirewall = opt types.bool true;
    authorizedKeysFiles = opt (types.listOf types.str) [ ];
    authorizedKeysInHomedir = opt types.bool true;
    extraConfig = opt types.lines "";
    settings = opt (types.submodule {
      # Any other keyword of sshd_config; here are those whose default is not sshd's.
      freeformType = pkgs.formats.any;
      options = {
        KbdInteractiveAuthentication = maybe types.bool true;
        LogLevel = maybe (types.enum (lib.splitString " " "QUIET FATAL ERROR INFO VERBOSE DEBUG DEBUG1 DEBUG2 DEBUG3")) "INFO";
        PasswordAuthentication = maybe types.bool true;
        PermitRootLogin = maybe (types.enum (lib.splitString " " "yes without-password prohibit-password forced-commands-only no")) "prohibit-password";
        PrintMotd = maybe types.bool false;
        StrictModes = maybe types.bool true;
        UseDns = maybe types.bool false;
        UsePAM = maybe types.bool true;
        X11Forwarding = maybe types.bool false;
      };
    }) { };
  };

  config = lib.mkIf cfg.enable {
    services.openssh.authorizedKeysFiles =
      lib.optional cfg.authorizedKeysInHomedir "%h/.ssh/authorized_keys"
      ++ [ "/etc/ssh/authorized_keys.d/%u" ];
    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall cfg.ports;
    environment.etc."ssh/sshd_config".text =
      lib.concatMapStrings (port: "Port ${toString port}\n") cfg.ports
      + "AuthorizedKeysFile ${toString cfg.authorizedKeysFiles}\n"
      + "Subsystem sftp internal-sftp\n"
      + lib.concatStrings (
        lib.mapAttrsToList (k: v: "${k} ${value v}\n") (
          lib.filterAttrs (_: v: v != null && v != [ ]) cfg.settings
        )
      )
      + cfg.extraConfig;
    system.preSwitchChecks.sshd = ''
      mkdir -p /run/sshd
      # Before its first boot a machine has no host key, and sshd wants one even for a look at the file.
      ! ls /etc/ssh/ssh_host_*_key >/dev/null 2>&1 || sshd -t -f "$1/etc/ssh/sshd_config"
    '';
    systemd.services.sshd-keygen = {
      description = "Make the host keys of sshd";
      wantedBy = [ "multi-user.target" ];
      before = [ "sshd.service" ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "/usr/bin/ssh-keygen -A";
      };
    };
    systemd.services.sshd = {
      description = "SSH daemon";
      wantedBy = [ "multi-user.target" ];
      wants = [ "sshd-keygen.service" ];
      after = [ "sshd-keygen.service" ];
      stopIfChanged = false;
      restartTriggers = [ config.environment.etc."ssh/sshd_config".text ];
      serviceConfig = {
        Type = "notify-reload";
        # Sessions outlive a restart: the one that deploys is among them.
        KillMode = "process";
        Restart = "always";
        RuntimeDirectory = "sshd";
        RuntimeDirectoryPreserve = true;
        ExecStart = "/usr/sbin/sshd -D -f /etc/ssh/sshd_config";
      };
    };
  };
}
