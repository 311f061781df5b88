# The NixOS release whose data formats a host started with. It is not the release that runs.
{ config, lib, ... }:
{
  config = lib.mkIf config.homelab.common.enable {
    # Never raised: a host that was installed with a later release states that one in its own folder.
    system.stateVersion = lib.mkDefault "26.05";
  };
}
