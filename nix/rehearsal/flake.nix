{
  description = "Stands in for nixpkgs, deploy-rs and sops-nix where they cannot be fetched";

  # What cargo built, as a folder with bin/: `--override-input nixpkgs/crates path:DIR`. Programs of this repository
  # enter the rehearsal store from there, since there is no Rust toolchain among the thin packages.
  inputs.crates = {
    url = "path:./crates";
    flake = false;
  };
  # What machines are given that stand in for the hosts of a pipeline: a folder with machine.nix, a module of every host.
  inputs.machine = {
    url = "path:./machine";
    flake = false;
  };

  outputs =
    {
      self,
      crates,
      machine,
    }:
    let
      lib = import ./lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      importPkgs =
        args:
        import ./pkgs (
          {
            inherit lib;
            cratesDir = "${crates}";
          }
          // args
        );
      legacyPackages = lib.genAttrs systems (system: importPkgs { inherit system; });
    in
    {
      # The stage tells mkFleet and xtask which of the two worlds they evaluate in.
      slipway.stage = "rehearsal";
      inherit legacyPackages;
      # nixpkgs' `lib` and deploy-rs' `lib.<system>` in one, since one flake plays both inputs.
      lib =
        lib
        // {
          nixosSystem = import ./modules/nixos-system.nix {
            inherit lib legacyPackages importPkgs;
            # Nix 2.26 takes a relative input that is no flake for the folder that it is in: what is not there is looked for.
            machine = if builtins.pathExists "${machine}/machine.nix" then "${machine}/machine.nix" else { };
          };
        }
        // lib.genAttrs systems (system: import ./deploy.nix legacyPackages.${system});
      nixosModules.sops = ./modules/sops.nix;
    };
}
