# The boot loader, and how many generations it offers.
{ config, lib, ... }:
let
  cfg = config.homelab.boot;
in
{
  options.homelab.boot.entries = lib.mkOption {
    type = lib.types.ints.between 2 50;
    default = 8;
    example = 20;
    description = ''
      How many generations the boot menu keeps. Each kernel and initrd takes some 50 MB of the EFI partition, and a full
      one makes the next deployment fail; fewer than two would leave nothing to go back to.
    '';
  };

  config = lib.mkIf config.homelab.common.enable {
    boot = {
      loader = {
        systemd-boot = {
          enable = lib.mkDefault true;
          configurationLimit = cfg.entries;
          # Who can edit the kernel's command line has a root shell; the menu itself is all that a rollback needs.
          editor = false;
        };
        efi.canTouchEfiVariables = lib.mkDefault true;
        # Long enough to reach for the keyboard of a host that came up wrong.
        timeout = lib.mkDefault 3;
      };
      # One list for mini PCs and virtual machines alike: a host that moves to other hardware still finds its root.
      initrd.availableKernelModules = [
        "ahci"
        "nvme"
        "sd_mod"
        "usb_storage"
        "usbhid"
        "virtio_blk"
        "virtio_pci"
        "virtio_scsi"
        "xhci_pci"
      ];
    };
  };
}
