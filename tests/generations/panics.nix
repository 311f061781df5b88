# Its kernel panics, as there is nothing that it could start: whatever comes of it, comes of a power cycle.
{
  environment.etc.slipway-generation.text = "panics\n";
  boot.kernelParams = [ "rdinit=/nowhere" ];
}
