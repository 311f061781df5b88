# Who the host is.
{ config, lib, ... }:
{
  options.homelab.host = {
    name = lib.mkOption {
      type = lib.types.str;
      default = config.networking.hostName;
      defaultText = lib.literalExpression "config.networking.hostName";
      example = "Testing";
      internal = true;
      description = "Name of the host's folder, which is its name everywhere in the fleet; mkFleet sets it.";
    };
    description = lib.mkOption {
      type = lib.types.str;
      default = "";
      example = "Reverse proxy";
      description = "What the host is for, in a few words; shown wherever hosts are listed.";
    };
  };
}
