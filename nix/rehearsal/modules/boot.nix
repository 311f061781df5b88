# boot.*: kernel, kernel arguments, and the boot loader's entries. The guest's disks are the guest's: fileSystems are
# checked like any option and read by nobody, since a rehearsal machine does not have the disks of the real one.
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
  cfg = config.boot;
  nonEmptyWithoutSlash = types.addCheck types.str (s: builtins.match "(.+[^/]|/)" s != null) // {
    description = "${types.str.description} (with check: non-empty without trailing slash)";
  };
  nonEmpty = types.addCheck types.str (s: builtins.match "[ \t\n]*" s == null) // {
    description = "${types.str.description} (with check: non-empty)";
  };
in
{
  options = {
    boot.kernelPackages = mkOption {
      type = types.raw;
      default = pkgs.linuxPackages;
      defaultText = lib.literalExpression "pkgs.linuxPackages";
    };
    boot.kernelParams = opt (types.listOf (
      types.strMatching ''([^"[:space:]]|"[^"]*")+''
      // {
        name = "kernelParam";
        description = "string, with spaces inside double quotes";
      }
    )) [ ];
    boot.kernelModules = opt (types.listOf types.str) [ ];
    boot.initrd.availableKernelModules = opt (types.listOf types.str) [ ];
    boot.growPartition = opt types.bool false;
    boot.loader = {
      timeout = opt (types.nullOr types.int) 5;
      efi.canTouchEfiVariables = opt types.bool false;
      efi.efiSysMountPoint = opt types.str "/boot";
      systemd-boot.enable = opt types.bool false;
      systemd-boot.editor = opt types.bool true;
      systemd-boot.configurationLimit = opt (types.nullOr types.int) null;
    };
    fileSystems = opt (types.attrsOf (
      types.submodule (
        { name, ... }:
        {
          options = {
            mountPoint = mkOption { type = nonEmptyWithoutSlash; };
            device = opt (types.nullOr nonEmpty) null;
            fsType = mkOption { type = nonEmpty; };
            options = mkOption {
              type = types.nonEmptyListOf nonEmpty;
              default = [ "defaults" ];
              defaultText = "computed on NixOS";
            };
            autoResize = opt types.bool false;
          };
          config.mountPoint = lib.mkDefault name;
        }
      )
    )) { };
  };

  config = {
    boot.kernelParams = [ "loglevel=4" ];
    environment.etc."modules-load.d/nixos.conf" = lib.mkIf (cfg.kernelModules != [ ]) {
      text = lib.concatStringsSep "\n" cfg.kernelModules + "\n";
    };
    assertions = [
      {
        assertion = config.fileSystems ? "/";
        message = "fileSystems says nothing about `/`; a machine needs a root file system";
      }
    ];

    system.build.installBootLoader =
      if cfg.loader.systemd-boot.enable then
        pkgs.writeScript "install-systemd-boot" ''
          #!/bin/bash
          esp=${lib.escapeShellArg cfg.loader.efi.efiSysMountPoint}
          timeout=${if cfg.loader.timeout == null then "menu-force" else toString cfg.loader.timeout}
          editor=${if cfg.loader.systemd-boot.editor then "yes" else "no"}
          limit=${toString cfg.loader.systemd-boot.configurationLimit}
          ${builtins.readFile ../activation/install-systemd-boot.sh}
        ''
      else
        pkgs.writeShellScript "no-boot-loader" ''
          echo "warning: nothing boots this configuration; try: boot.loader.systemd-boot.enable = true" >&2
        '';
  };
}
