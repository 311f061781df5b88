# What a new machine is installed with before it becomes a host of its own: the common settings, the deploy user and
# the operator. It has no address, since every machine that boots it gets its own.
{
  homelab = {
    host.description = "Base image for new hosts";
    deploy.enable = false;
    image.enable = true;
  };
}
