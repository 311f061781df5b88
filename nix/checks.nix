# What `nix flake check` builds on any machine: nothing here builds a whole system or needs KVM.
{
  lib,
  system,
  pkgs,
  deploy-rs,
  fleet,
  nixosConfigurations,
  deploy,
  xtask,
  source,
}:
let
  activatable = import ./activatable.nix { inherit lib deploy-rs; };
  # Evaluates the host, of whatever system, down to its derivation. The text alone refers to nothing, so that building
  # the check builds no host.
  evaluation =
    name: host:
    pkgs.writeText "host-${name}" (
      builtins.unsafeDiscardStringContext host.config.system.build.toplevel.drvPath
    );

  # deploy-rs's own checks depend on every profile, and through it on every system. The schema does not look behind a
  # profile's path; and an activation script comes out the same around a system that is only the program it calls.
  withPath =
    path: nodes:
    deploy
    // {
      nodes = lib.mapAttrs (
        name: node:
        node
        // {
          profiles.system = node.profiles.system // {
            path = path name node;
          };
        }
      ) nodes;
    };
  textOnly = _: node: builtins.unsafeDiscardStringContext "${node.profiles.system.path}";
  aroundEmptySystem =
    name: _:
    let
      inherit (nixosConfigurations.${name}) config;
      build = config.system.build // {
        toplevel = emptySystem;
      };
    in
    activatable {
      config = config // {
        system = config.system // {
          inherit build;
        };
      };
    };
  emptySystem = pkgs.runCommand "empty-system" { } ''
    mkdir -p $out/bin
    printf '#!/bin/sh\n' > $out/bin/switch-to-configuration
    chmod +x $out/bin/switch-to-configuration
  '';
  # Another system's activation scripts cannot be built here; that system's own checks have them.
  nodesHere = lib.filterAttrs (name: _: fleet.hosts.${name}.system == system) deploy.nodes;
in
lib.mapAttrs' (
  name: host: lib.nameValuePair "host-${name}" (evaluation name host)
) nixosConfigurations
// {
  inherit (deploy-rs.lib.${system}.deployChecks (withPath textOnly deploy.nodes)) deploy-schema;
  inherit (deploy-rs.lib.${system}.deployChecks (withPath aroundEmptySystem nodesHere))
    deploy-activate
    ;
  formatting = pkgs.runCommand "formatting" { nativeBuildInputs = [ xtask ]; } ''
    xtask fmt --check ${source}
    touch $out
  '';
}
