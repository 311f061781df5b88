# A service that takes the last byte of the disk and fails. What it took stays taken when it is stopped.
{
  environment.etc.slipway-generation.text = "fills-disk\n";
  systemd.services.fills-disk = {
    description = "Takes the whole disk";
    wantedBy = [ "multi-user.target" ];
    serviceConfig.Type = "oneshot";
    script = ''
      mkdir -p /var/lib/fills-disk
      cd /var/lib/fills-disk
      # Halves what it asks for until not even a block fits.
      size=$((1 << 34))
      number=0
      while [ $size -ge 4096 ]; do
        if fallocate -l $size part-$number 2>/dev/null; then
          number=$((number + 1))
        else
          rm -f part-$number
          size=$((size / 2))
        fi
      done
      echo "no space is left, on purpose" >&2
      exit 1
    '';
  };
}
