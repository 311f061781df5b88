# sops-nix' module, imported by every host. No host has a secret yet, so it declares nothing: a `sops.*` that is set is
# an unknown option here, and not one that is quietly without effect.
{ }
