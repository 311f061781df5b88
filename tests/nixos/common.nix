# The network of all machines of a play: eth1, with addresses that do not depend on how many machines there are.
{
  virtualisation.vlans = [ ];
  virtualisation.interfaces.eth1 = {
    vlan = 1;
    assignIP = false;
  };
}
