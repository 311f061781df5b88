# users.*: accounts, groups and their keys. Debian's own accounts stay; what was declared once and is no longer is gone.
{
  lib,
  config,
  pkgs,
  standin,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (standin) opt;
  cfg = config.users;
  # A field of a line of /etc/passwd.
  field = types.passwdEntry types.str;
  shellPath =
    shell: if lib.isDerivation shell then "/run/current-system/sw${shell.shellPath}" else shell;

  user =
    { name, config, ... }:
    {
      options = {
        name = mkOption { type = field; };
        description = opt field "";
        uid = opt (types.nullOr types.int) null;
        isSystemUser = opt types.bool false;
        isNormalUser = opt types.bool false;
        group = opt types.str "";
        extraGroups = opt (types.listOf types.str) [ ];
        home = opt (types.passwdEntry types.path) "/var/empty";
        homeMode = opt (types.strMatching "[0-7]{1,5}") "700";
        createHome = opt types.bool false;
        useDefaultShell = opt types.bool false;
        shell = mkOption {
          type = types.nullOr (types.either types.shellPackage (types.passwdEntry types.path));
          default = pkgs.shadow;
          defaultText = lib.literalExpression "pkgs.shadow";
        };
        hashedPassword = opt (types.nullOr field) null;
        hashedPasswordFile = mkOption {
          type = types.nullOr types.str;
          default = null;
          defaultText = "passwordFile on NixOS";
        };
        openssh.authorizedKeys.keys = opt (types.listOf types.singleLineStr) [ ];
        openssh.authorizedKeys.keyFiles = opt (types.listOf types.path) [ ];
      };
      config = lib.mkMerge [
        {
          name = lib.mkDefault name;
          shell = lib.mkIf config.useDefaultShell (lib.mkDefault cfg.defaultUserShell);
        }
        (lib.mkIf config.isNormalUser {
          group = lib.mkDefault "users";
          createHome = lib.mkDefault true;
          home = lib.mkDefault "/home/${config.name}";
          useDefaultShell = lib.mkDefault true;
        })
      ];
    };

  users = lib.attrValues cfg.users;
  groups = lib.attrValues cfg.groups;
  orDash = v: if v == null then "-" else toString v;
  spec = pkgs.writeText "users-groups" (
    "mutable\t${if cfg.mutableUsers then "1" else "0"}\n"
    + lib.concatMapStrings (
      g:
      "group\t${g.name}\t${orDash g.gid}\t${
        lib.concatStringsSep "," (
          lib.unique (
            g.members ++ map (u: u.name) (builtins.filter (u: builtins.elem g.name u.extraGroups) users)
          )
        )
      }\n"
    ) groups
    + lib.concatMapStrings (
      u:
      lib.concatStringsSep "\t" [
        "user"
        u.name
        (orDash u.uid)
        (if u.isNormalUser then "normal" else "system")
        u.group
        u.home
        (if u.createHome then u.homeMode else "-")
        (shellPath u.shell)
        u.description
        (orDash u.hashedPassword)
        (orDash u.hashedPasswordFile)
      ]
      + "\n"
    ) users
    # Groups that Debian has and the configuration does not declare.
    + lib.concatMapStrings (
      name:
      "member\t${name}\t${
        lib.concatStringsSep "," (
          map (u: u.name) (builtins.filter (u: builtins.elem name u.extraGroups) users)
        )
      }\n"
    ) (lib.subtractLists (map (g: g.name) groups) (lib.unique (lib.concatMap (u: u.extraGroups) users)))
  );
in
{
  options.users = {
    mutableUsers = opt types.bool true;
    defaultUserShell = mkOption { type = types.either types.path types.shellPackage; };
    users = opt (types.attrsOf (types.submodule user)) { };
    groups = opt (types.attrsOf (
      types.submodule (
        { name, ... }:
        {
          options = {
            name = mkOption { type = field; };
            gid = opt (types.nullOr types.int) null;
            members = opt (types.listOf field) [ ];
          };
          config.name = lib.mkDefault name;
        }
      )
    )) { };
  };

  config = {
    users.defaultUserShell = lib.mkDefault pkgs.bash;
    users.users.root = {
      uid = 0;
      description = "System administrator";
      home = "/root";
      group = "root";
      shell = lib.mkDefault cfg.defaultUserShell;
      isSystemUser = true;
    };
    users.groups = {
      root.gid = 0;
      users.gid = 100;
      # NixOS' number 1 is Debian's group daemon: the next free one is taken.
      wheel = { };
    };

    assertions = lib.concatMap (u: [
      {
        assertion = u.isSystemUser != u.isNormalUser;
        message = "users.users.${u.name}: exactly one of isSystemUser and isNormalUser has to be set";
      }
      {
        assertion = u.group != "";
        message = "users.users.${u.name}.group is not set; try: users.users.${u.name}.group = \"${u.name}\" and users.groups.${u.name} = { }";
      }
    ]) users;

    environment.etc = lib.mapAttrs' (
      _: u:
      let
        inherit (u.openssh.authorizedKeys) keys keyFiles;
      in
      lib.nameValuePair "ssh/authorized_keys.d/${u.name}" {
        enable = keys != [ ] || keyFiles != [ ];
        mode = "0444";
        text = lib.concatMapStrings (k: "${k}\n") (keys ++ map builtins.readFile keyFiles);
      }
    ) cfg.users;

    # The home of those who have none.
    systemd.tmpfiles.rules = [ "d /var/empty 0555 root root - -" ];

    system.activationScripts.users = {
      supportsDryActivation = true;
      text = "perl ${pkgs.writeScript "users.pl" (builtins.readFile ../activation/users.pl)} ${spec}";
    };
  };
}
