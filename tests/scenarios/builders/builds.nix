# A second builder, which takes builds for another architecture, too.
{
  homelab.builder = {
    enable = true;
    # Nobody's: the play puts in the key that it made.
    keys.nobody = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAsecKDTrymp7Ob9rMF6Ts1q6rbYp0N6/CVrOnraK/PM replace-me@runner.example";
  };
  # What boot.binfmt.emulatedSystems adds. What is built here is shell, which needs no emulator.
  nix.settings.extra-platforms = [ "aarch64-linux" ];
}
