# Where the machines of a play are, by name: hosts at their own addresses, helpers at fixed ones, so that closures do not
# differ from scenario to scenario.
{ lib, fleet }:
let
  # An address that is a name is one that only the homelab's own DNS knows.
  isAddress = address: address != null && builtins.match "[0-9]+([.][0-9]+){3}" address != null;
in
{
  controller = "192.168.0.240";
  builder = "192.168.0.241";
  attacker = "192.168.0.242";
  client = "192.168.0.243";
}
// lib.mapAttrs (
  _: host: if isAddress host.targetHost then host.targetHost else "192.168.0.99"
) fleet.hosts
