# /etc/slipway-test/as-configured: holds what the machine really does against what its configuration says, where both
# can be read by everyone. The expectation is data, so that a difference names the one thing that differs.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (config) homelab;
  texts = map toString;
  boolean = value: if value then "yes" else "no";

  # As /etc/passwd has it: NixOS names a shell by its place in the system, whichever package it is.
  shellOf =
    shell:
    if lib.isDerivation shell then "/run/current-system/sw${shell.shellPath}" else toString shell;
  accounts = lib.mapAttrs' (
    _: user:
    lib.nameValuePair user.name {
      inherit (user) uid home;
      description = user.description;
      shell = shellOf user.shell;
      groups = lib.sort builtins.lessThan (lib.unique (groupsOf user));
      # Of users who can log in with it, the hash is a secret.
      locked = user.hashedPassword == "*" || user.hashedPassword == "!";
      keys = user.openssh.authorizedKeys.keys;
    }
  ) config.users.users;
  groupsOf =
    user:
    [ user.group ]
    ++ user.extraGroups
    ++ map (group: group.name) (
      builtins.filter (group: builtins.elem user.name group.members) (lib.attrValues config.users.groups)
    );

  # A line of sudoers for each command, in the order that decides: the last that matches wins.
  sudoers = lib.concatMap (
    rule:
    lib.concatMap (
      who:
      map (
        command:
        let
          options = command.options or [ ];
        in
        {
          inherit who;
          hosts = rule.host;
          runAs = rule.runAs;
          command = command.command or command;
          options = lib.sort builtins.lessThan options;
        }
      ) rule.commands
    ) (texts rule.users ++ map (group: "%${toString group}") rule.groups)
  ) (builtins.filter (rule: rule.commands != [ ]) config.security.sudo.extraRules);

  # sshd joins the algorithms with commas; every other list is a line an element.
  sshdValue =
    key: value:
    if builtins.isBool value then
      [ (boolean value) ]
    else if builtins.isList value then
      (
        if
          builtins.elem key [
            "Ciphers"
            "KexAlgorithms"
            "Macs"
          ]
        then
          [ (lib.concatStringsSep "," value) ]
        else
          texts value
      )
    else
      [ (toString value) ];

  settings = lib.filterAttrs (
    name: value: value != null && value != "auto" && !lib.hasPrefix "extra-" name
  ) config.nix.settings;

  # What is to run once the machine is up; a service of several names is asked for by its own.
  started = lib.filterAttrs (
    name: service:
    service.enable && builtins.elem "multi-user.target" service.wantedBy && !lib.hasInfix "@" name
  ) config.systemd.services;

  expected = {
    users = {
      inherit (config.users) mutableUsers;
      inherit accounts;
      people = lib.sort builtins.lessThan (
        map (user: user.name) (
          builtins.filter (user: user.isNormalUser) (lib.attrValues config.users.users)
        )
      );
    };
    inherit sudoers;
    firewall = {
      tcp = config.networking.firewall.allowedTCPPorts;
      udp = config.networking.firewall.allowedUDPPorts;
      internal = {
        ports = lib.sort builtins.lessThan (lib.unique homelab.firewall.internalTCPPorts);
        networks = lib.optionals (homelab.firewall.internalTCPPorts != [ ]) homelab.site.networks;
      };
    };
    sshd =
      lib.mapAttrs' (key: value: lib.nameValuePair (lib.toLower key) (sshdValue key value)) (
        lib.filterAttrs (_: value: value != null && value != [ ]) config.services.openssh.settings
      )
      // {
        port = texts config.services.openssh.ports;
        authorizedkeysfile = [ (toString config.services.openssh.authorizedKeysFiles) ];
      };
    nix = lib.mapAttrs (_: value: if builtins.isList value then texts value else value) settings;
    units = {
      services = lib.attrNames started;
      timers = lib.attrNames (
        lib.filterAttrs (_: service: service.enable && service.startAt != [ ]) config.systemd.services
      );
    };
    timeZone = config.time.timeZone;
  };
in
{
  environment.etc = {
    "slipway-test/expected.json".text = builtins.toJSON expected;
    "slipway-test/as-configured".source = pkgs.writeScript "as-configured" ''
      #!${pkgs.runtimeShell}
      PATH=${
        lib.makeBinPath [
          pkgs.jq
          pkgs.nftables
          pkgs.openssh
        ]
      }:$PATH:/run/current-system/sw/bin:/usr/sbin
      expected=/etc/slipway-test/expected.json
      ${builtins.readFile ./as-configured.sh}
    '';
  };
}
