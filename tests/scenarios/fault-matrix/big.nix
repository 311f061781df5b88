# Waits for faults while it is copied and activated, and in the logins after that.
{ slowLogin, ... }:
{
  imports = [ ../../machine/waits-for-faults.nix ];

  # sshd asks it for further keys before it lets anybody in; a program of the store's it would not trust.
  environment.etc."ssh/slow-login" = slowLogin;
  services.openssh.settings = {
    AuthorizedKeysCommand = "/etc/ssh/slow-login";
    AuthorizedKeysCommandUser = "root";
  };
}
