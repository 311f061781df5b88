# One disk: an EFI partition and a root, found by label, as the installable image lays them out.
{ config, lib, ... }:
let
  cfg = config.homelab.disk;
in
{
  options.homelab.disk = {
    rootLabel = lib.mkOption {
      type = lib.types.str;
      default = "nixos";
      example = "root";
      description = "Label of the ext4 file system that is mounted as root.";
    };
    espLabel = lib.mkOption {
      type = lib.types.str;
      default = "ESP";
      example = "BOOT";
      description = "Label of the EFI system partition, mounted as /boot.";
    };
  };

  config = lib.mkIf config.homelab.common.enable {
    # Defaults, so that a host with another layout states only its own.
    fileSystems = {
      "/" = {
        device = lib.mkDefault "/dev/disk/by-label/${cfg.rootLabel}";
        fsType = lib.mkDefault "ext4";
      };
      "/boot" = {
        device = lib.mkDefault "/dev/disk/by-label/${cfg.espLabel}";
        fsType = lib.mkDefault "vfat";
        # systemd-boot keeps its random seed there, which nobody but root should read.
        options = lib.mkDefault [ "umask=0077" ];
      };
    };
  };
}
