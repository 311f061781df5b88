# What may reboot a host, and when.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.homelab.reboot;
  timeOfDay = types.strMatching "([01][0-9]|2[0-3]):[0-5][0-9]";
in
{
  options.homelab.reboot = {
    unattended = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether the host may reboot with nobody there. A host that asks for a passphrase when it boots may not: with
        `false` only an operator reboots it, and a boot on trial that came up unhealthy stays up until then.
      '';
    };
    window = mkOption {
      type = types.nullOr (
        types.submodule {
          options = {
            from = mkOption {
              type = timeOfDay;
              example = "02:00";
              description = "When it opens, in UTC.";
            };
            until = mkOption {
              type = timeOfDay;
              example = "04:30";
              description = "When it closes, in UTC; earlier than `from` is on the next day.";
            };
            days = mkOption {
              type = types.listOf (
                types.enum [
                  "Mon"
                  "Tue"
                  "Wed"
                  "Thu"
                  "Fri"
                  "Sat"
                  "Sun"
                ]
              );
              default = [ ];
              example = [
                "Sat"
                "Sun"
              ];
              description = "Days on which it opens, in UTC; every day if none is named.";
            };
          };
        }
      );
      default = null;
      example = {
        from = "02:00";
        until = "04:30";
      };
      description = ''
        When the host may be rebooted from afar, by `cargo xtask reboot` and by its guard; at any time without one. In UTC,
        so that it is the same moment wherever somebody sits, and no clock change falls into it.
      '';
    };
  };

  config.assertions = [
    {
      assertion = cfg.window == null || cfg.window.from != cfg.window.until;
      message = ''
        homelab.reboot.window opens and closes at the same time: set homelab.reboot.window.until to a later one, or
        homelab.reboot.window = null if the host may be rebooted at any time.
      '';
    }
  ];
}
