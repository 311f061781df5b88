# A host that hands builds to the builder in the inventory, and to a machine of which the inventory says nothing: there
# Testing builds nothing.
{
  homelab.builders = {
    enable = true;
    sshKey = "/root/builds";
    machines = {
      BinaryCache.maxJobs = 1;
      Testing = {
        hostName = "Testing";
        systems = [
          "x86_64-linux"
          "aarch64-linux"
        ];
      };
    };
  };
}
