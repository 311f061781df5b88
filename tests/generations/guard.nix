# The guard, which takes what the keys of the play sign and lets nobody in by another door than its own.
{ config, lib, ... }:
let
  given = "/etc/slipway-test";
  # The play's key is the one that CI has.
  entry = config.homelab.users.deploy.entry "ci" "";
in
{
  homelab.deploy.guard = {
    enable = true;
    allowedSignersFile = "${given}/allowed_signers";
    trustedPublicKeyFiles = [
      "${given}/trusted-keys"
      "${given}/installed-key"
    ];
  };

  # A file of keys would let the play's own key in past the guard: this puts the same entry before it that the
  # configuration puts before its keys.
  services.openssh.authorizedKeysFiles = lib.mkForce [ "/etc/ssh/authorized_keys.d/%u" ];
  services.openssh.extraConfig = ''
    AuthorizedKeysCommand /etc/slipway-test-keys %u
    AuthorizedKeysCommandUser root
  '';
  environment.etc.slipway-test-keys = {
    mode = "0755";
    text = ''
      #!/bin/sh
      # A generation may have something to say before anybody gets in.
      [ ! -x /etc/slipway-test-login ] || /etc/slipway-test-login
      keys=${given}/authorized_keys/$1
      case $1 in
        deploy) while read -r key; do printf '%s%s\n' ${lib.escapeShellArg entry} "$key"; done <"$keys" ;;
        *) cat "$keys" ;;
      esac
    '';
  };
}
