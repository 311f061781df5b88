# Has a service, a user and a file that `first` has not.
{
  imports = [ (import ./both.nix "second") ];

  environment.etc."activation-contract/comes".text = "comes\n";
  users.users.comes = {
    isSystemUser = true;
    group = "comes";
  };
  users.groups.comes = { };
  systemd.services.comes = {
    wantedBy = [ "multi-user.target" ];
    script = "exec sleep infinity";
  };
}
