# The folder's name is the host's name: rename it, and the host is called so everywhere.
{
  homelab = {
    host.description = "The first host";
    deploy = {
      # Where deployments reach it: "192.168.0.40", or a name.
      targetHost = null;
      # What its console says of /etc/ssh/ssh_host_ed25519_key.pub; without any, your own known_hosts counts.
      hostKeys = [ ];
    };
  };

  # Ordinary NixOS from here on.
}
