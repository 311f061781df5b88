# Like `good`, with a guard that waits for an activation no longer than the test does.
{
  imports = [ ../../generations/good.nix ];
  homelab.deploy.activationTimeout = 120;
}
