# The host that builds for the others.
{ config, lib, ... }:
{
  options.homelab.builder.enable = lib.mkEnableOption "building the fleet's hosts on this one";

  config = lib.mkIf config.homelab.builder.enable {
    nix.settings = {
      # The next commit needs most of what the last one was built with; without these the weekly collection takes it.
      keep-outputs = true;
      keep-derivations = true;
    };
  };
}
