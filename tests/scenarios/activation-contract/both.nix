# What `first` and `second` have in common: services of which each asks for something else when it changes.
generation: {
  environment.etc.slipway-generation.text = "${generation}\n";

  systemd.services =
    builtins.mapAttrs
      (
        _: service:
        {
          wantedBy = [ "multi-user.target" ];
          script = "exec sleep infinity";
        }
        // service
      )
      {
        stays.description = "The same in both";
        is-restarted.environment.GENERATION = generation;
        is-reloaded = {
          reloadTriggers = [ generation ];
          reload = "touch /run/is-reloaded";
        };
        is-left-alone = {
          environment.GENERATION = generation;
          restartIfChanged = false;
        };
      };
}
