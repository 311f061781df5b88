# What the fleet knows of a host: whether and how it is deployed, when it is healthy, whether it builds for the others or
# has them build.
{
  imports = [
    ./builder.nix
    ./builders.nix
    ./guard.nix
    ./health-checks.nix
    ./host.nix
    ./inventory.nix
    ./options.nix
    ./reboot.nix
    ./upgrade.nix
    ./watchdog.nix
  ];
}
