# An account that is logged into by ssh keys alone, and that has nothing but what their holders are let do.
{
  group,
  description,
  keys,
}:
{
  isSystemUser = true;
  inherit group description;
  # No home, so that no file of its own can change what its logins do.
  home = "/var/empty";
  createHome = false;
  # A real shell: ssh runs every command through it, and with nologin not even a forced command would start.
  useDefaultShell = true;
  # No password ever matches, yet the account is not locked: sshd without PAM turns locked ones away.
  hashedPassword = "*";
  openssh.authorizedKeys = { inherit keys; };
}
