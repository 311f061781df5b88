# Toplevels that tests/rehearsal/run switches between, each `base` and what is said here. One option of unit handling a
# service, named after what a switch from `first` to `second` does to it.
let
  standin = (import ../../nix/rehearsal/flake.nix).outputs {
    self = { };
    crates = ../../nix/rehearsal/crates;
    machine = ../../nix/rehearsal/machine;
  };
  inherit (standin) lib;
  sleeper = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/usr/bin/sleep infinity";
  };
  base = {
    nixpkgs.hostPlatform = "x86_64-linux";
    networking.hostName = "subject";
    system.stateVersion = "26.05";
    time.timeZone = "Europe/Berlin";
    fileSystems."/" = {
      device = "/dev/vda";
      fsType = "ext4";
    };
    boot.loader.systemd-boot.enable = true;
    boot.loader.systemd-boot.configurationLimit = 3;
    services.openssh.enable = true;
    services.timesyncd.enable = false;
    networking.nftables.enable = true;
    networking.firewall.allowedTCPPorts = [ 8080 ];
    users.mutableUsers = false;
    users.users.stays = {
      isNormalUser = true;
      extraGroups = [
        "wheel"
        "systemd-journal"
      ];
      openssh.authorizedKeys.keys = [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA stays"
      ];
    };
    environment.etc."subject/stays".text = "stays\n";
    systemd.services = {
      # In a container the kernel is not the machine's to set up.
      systemd-sysctl.enable = false;
      stays = sleeper;
      description-differs = lib.recursiveUpdate sleeper { description = "only the description differs"; };
    };
  };
  first = {
    users.users.goes = {
      isSystemUser = true;
      group = "goes";
      extraGroups = [ "systemd-journal" ];
    };
    users.groups.goes = { };
    environment.etc."subject/goes".text = "goes\n";
    environment.etc."subject/goes-copied" = {
      text = "goes\n";
      mode = "0600";
    };
    systemd.tmpfiles.rules = [ "d /run/subject-first 0700" ];
    systemd.services = {
      # A unit of Debian's, with a drop-in.
      systemd-networkd.environment.GENERATION = "1";
      goes = sleeper;
      becomes-masked = sleeper;
      is-stopped-and-started = lib.recursiveUpdate sleeper { environment.GENERATION = "1"; };
      is-restarted = lib.recursiveUpdate sleeper {
        environment.GENERATION = "1";
        stopIfChanged = false;
      };
      is-restarted-by-trigger = lib.recursiveUpdate sleeper {
        restartTriggers = [ "1" ];
        stopIfChanged = false;
      };
      is-reloaded = lib.recursiveUpdate sleeper {
        environment.GENERATION = "1";
        reloadIfChanged = true;
        serviceConfig.ExecReload = "/usr/bin/touch /run/is-reloaded";
      };
      is-reloaded-by-trigger = lib.recursiveUpdate sleeper {
        reloadTriggers = [ "1" ];
        serviceConfig.ExecReload = "/usr/bin/touch /run/is-reloaded-by-trigger";
      };
      is-left-alone = lib.recursiveUpdate sleeper {
        environment.GENERATION = "1";
        restartIfChanged = false;
      };
    };
  };
  second = {
    users.users.comes = {
      isSystemUser = true;
      group = "comes";
    };
    users.groups.comes = { };
    environment.etc."subject/comes".text = "comes\n";
    environment.etc."subject/comes-copied" = {
      text = "comes\n";
      mode = "0640";
      user = "comes";
    };
    systemd.tmpfiles.settings.subject."/run/subject-second".d.mode = "0755";
    systemd.settings.Manager.DefaultTimeoutStopSec = "77s";
    systemd.timers.comes = {
      wantedBy = [ "timers.target" ];
      timerConfig.OnCalendar = "yearly";
    };
    systemd.services = {
      comes = sleeper;
      description-differs.description = lib.mkForce "only the description differs, as said";
      becomes-masked.enable = false;
      systemd-networkd.environment.GENERATION = "2";
    }
    // lib.mapAttrs (
      name: service:
      lib.recursiveUpdate service (
        if lib.hasSuffix "restarted-by-trigger" name then
          { restartTriggers = [ "2" ]; }
        else if lib.hasSuffix "reloaded-by-trigger" name then
          { reloadTriggers = [ "2" ]; }
        else
          { environment.GENERATION = "2"; }
      )
    ) (lib.filterAttrs (name: _: lib.hasPrefix "is-" name) first.systemd.services);
  };
  toplevel =
    modules: (lib.nixosSystem { modules = [ base ] ++ modules; }).config.system.build.toplevel;
  configuration = modules: lib.nixosSystem { modules = [ base ] ++ modules; };
in
{
  first = toplevel [ first ];
  second = toplevel [ second ];
  unit-fails = toplevel [
    second
    {
      systemd.services.fails = lib.recursiveUpdate sleeper {
        serviceConfig = {
          Type = "oneshot";
          ExecStart = "/usr/bin/false";
        };
      };
    }
  ];
  activation-fails = toplevel [
    second
    { system.activationScripts.fails = "false"; }
  ];
  # sshd would refuse this file, so nothing may be changed at all.
  check-fails = toplevel [
    second
    { services.openssh.extraConfig = "NoSuchKeyword yes"; }
  ];
  activatable = standin.lib.x86_64-linux.activate.nixos (configuration [ second ]);
}
