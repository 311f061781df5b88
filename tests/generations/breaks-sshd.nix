# An sshd that runs, listens, and lets nobody in. No unit fails and no check finds it: only somebody who tries to log in
# can tell.
{
  environment.etc.slipway-generation.text = "breaks-sshd\n";
  services.openssh.settings.AllowUsers = [ "nobody-at-all" ];
}
