# Somebody has to be there when it boots, to type a passphrase for one.
{
  environment.etc.slipway-generation.text = "attended\n";
  homelab.reboot.unattended = false;
}
