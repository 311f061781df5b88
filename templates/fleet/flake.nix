{
  description = "A fleet of hosts, deployed with Slipway";

  # Where your Slipway is: a clone on this machine, or its address on a forge. nixpkgs, deploy-rs and sops-nix come with
  # it; an input of one of these names here takes its place.
  inputs.slipway.url = "git+file:///home/you/slipway";

  outputs =
    inputs:
    inputs.slipway.lib.mkFleet {
      inherit inputs;
      modules = [ ./hosts/site.nix ];
    };
}
