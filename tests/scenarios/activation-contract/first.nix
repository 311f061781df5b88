# Has a service, a user and a file that `second` has not.
{
  imports = [ (import ./both.nix "first") ];

  environment.etc."activation-contract/goes".text = "goes\n";
  users.users.goes = {
    isSystemUser = true;
    group = "goes";
  };
  users.groups.goes = { };
  systemd.services.goes = {
    wantedBy = [ "multi-user.target" ];
    script = "exec sleep infinity";
  };
}
