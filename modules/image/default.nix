# The host as a disk image: written to a disk or imported into a hypervisor, it boots and grows to the disk's size.
#   nix build .#nixosConfigurations.Template.config.system.build.diskImage
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
let
  cfg = config.homelab.image;
  builder = modulesPath + "/../lib/make-disk-image.nix";
in
{
  options.homelab.image = {
    enable = lib.mkEnableOption "an installable disk image of this host, as `system.build.diskImage`";
    format = lib.mkOption {
      type = lib.types.enum [
        "raw"
        "qcow2"
        "vdi"
        "vpc"
      ];
      default = "raw";
      example = "qcow2";
      description = "Format of the image; `raw` is what can be written to a disk as it is.";
    };
  };

  config = lib.mkIf cfg.enable {
    boot = {
      # The image is put together on another machine, whose firmware must not learn of it; systemd-boot is then found
      # under the name that every firmware looks for.
      loader.efi.canTouchEfiVariables = false;
      growPartition = true;
    };
    fileSystems."/".autoResize = true;

    # The rehearsal stage has no image builder, and its hosts need none.
    system.build = lib.optionalAttrs (builtins.pathExists builder) {
      diskImage = import builder {
        inherit config lib pkgs;
        inherit (cfg) format;
        label = config.homelab.disk.rootLabel;
        partitionTableType = "efi";
        # The default of 256 MB holds few kernels.
        bootSize = "1024M";
        additionalSpace = "1G";
        copyChannel = false;
      };
    };
  };
}
