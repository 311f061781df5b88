# sshd starts with a file that its own look at it lets through, and then nobody can come in: the one address that it
# listens on is not the machine's to be reached by.
{ lib, ... }:
{
  services.openssh.extraConfig = ''
    ListenAddress 127.0.0.1
  '';
}
