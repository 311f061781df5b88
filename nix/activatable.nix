# The profile that deploy-rs copies and activates: a host's system with deploy-rs's programs beside it. As deploy-rs's own
# `activate.nixos`, which does not look at TEST: `deploy --test` would make what is tried the boot default.
{ lib, deploy-rs }:
host:
let
  inherit (host) config;
  inherit (config.boot) loader;
  inherit (deploy-rs.lib.${config.nixpkgs.hostPlatform.system}.activate) custom;
  switch = "$PROFILE/bin/switch-to-configuration";
in
(
  custom
  // {
    # deploy-rs calls a dry activation good whatever becomes of it: xtask looks for this line.
    dryActivate = "${switch} dry-activate && echo 'dry activation done' >&2";
    boot = "${switch} boot";
  }
)
  config.system.build.toplevel
  ''
    # The profile may be gone before the script ends (NixOS/nixpkgs#73404).
    cd /tmp
    if [[ "''${TEST:-}" == 1 ]]; then
      ${switch} test
    else
      ${switch} switch
      ${lib.optionalString loader.systemd-boot.enable
        # Without a default the newest entry boots, also after a rollback (serokell/deploy-rs#31).
        "sed -i '/^default /d' ${loader.efi.efiSysMountPoint}/loader/loader.conf"
      }
    fi
  ''
