# What `nix flake init -t` copies: docs/your-own-fleet.md says how it goes on from there.
{
  default = {
    path = ../templates/fleet;
    description = "A fleet of one host, its site and its keys to be filled in, and the workflow that builds it";
    welcomeText = ''
      # A fleet of your own

      1. `flake.nix`: where your Slipway is.
      2. `hosts/site.nix`: who deploys, who is the operator, and whose signature on closures counts.
      3. `hosts/Attic/default.nix`: the first host's address. The folder's name is the host's name.
      4. `git init && git add .`, since Nix sees only what git knows, and then, in your clone of Slipway,
         `cargo xtask build-all --flake` with this folder. What is missing is named, with how it is made.
    '';
  };
}
