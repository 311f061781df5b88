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

    # Nobody can log in at its console, and whoever is to deploy it has to read its key where no network can change it.
    systemd.services.image-console = {
      description = "Shows this machine's address and its host key on the console";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [
        "network-online.target"
        "sshd-keygen.service"
        "sshd.service"
      ];
      path = [ pkgs.iproute2 ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        StandardOutput = "journal+console";
      };
      script = ''
        echo "This machine is yet to become a host. Its key, and its addresses:"
        cat /etc/ssh/ssh_host_ed25519_key.pub
        ip -brief address show scope global
      '';
    };

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
