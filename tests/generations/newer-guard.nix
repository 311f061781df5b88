# Beside `guard`: the same program from another path, as the next version of it would be.
{ lib, pkgs, ... }:
let
  guard = import ../../nix/guard.nix { inherit lib pkgs; };
in
{
  environment.etc.slipway-generation.text = "newer-guard\n";
  homelab.deploy.guard.package = pkgs.runCommand "slipway-guard-newer" { } ''
    mkdir -p $out/bin
    cp ${guard}/bin/slipway-guard $out/bin/
  '';
}
