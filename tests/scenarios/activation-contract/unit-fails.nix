# `second` with a service that does not start.
{
  imports = [ ./second.nix ];

  systemd.services.fails = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.Type = "oneshot";
    script = ''
      echo "this service fails, on purpose" >&2
      exit 1
    '';
  };
}
