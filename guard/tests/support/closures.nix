# Systems of a host called Niko, as far as the guard knows one: each `switch-to-configuration` writes down that it was
# called, and does to files of the test what a real one does to a host.
let
  build =
    name: script:
    derivation {
      inherit name script;
      system = builtins.currentSystem;
      builder = "/bin/sh";
      args = [
        "-c"
        "export PATH=/usr/bin:/bin; eval \"$script\""
      ];
    };
  switch = ''
    #!/bin/sh
    export PATH=/usr/bin:/bin
    T=$(dirname "$(dirname "$(readlink -f "$0")")")
    R=/nix/test
    env > $R/environment
    echo "$1 $(cat $T/name)" >> $R/calls
    case $1 in
      test)
        . $T/behaviour
        ln -sfn $T $R/current-system ;;
      boot)
        if [ -e $R/esp-full ]; then echo "no space left on the partition" >&2; exit 1; fi
        . $T/behaviour-at-boot
        echo $T > $R/boot-default ;;
      dry-activate) echo "would restart nothing" ;;
    esac
  '';
  system =
    {
      name,
      host ? "Niko",
      behaviour ? "",
      atBoot ? "",
      checks ? "{}",
      guard ? true,
      needs ? "",
      parts ? true,
    }:
    rec {
      toplevel = build "nixos-system-${host}-${name}" ''
        mkdir -p $out/bin $out/etc/slipway-guard
        ${
          if parts then
            "cat > $out/bin/switch-to-configuration <<'EOF'\n${switch}\nEOF\nchmod +x $out/bin/*"
          else
            ""
        }
        echo ${name} > $out/name
        echo "${needs}" > $out/needs
        cat > $out/behaviour <<'EOF'
        ${behaviour}
        EOF
        cat > $out/behaviour-at-boot <<'EOF'
        ${atBoot}
        EOF
        echo kernel > $out/kernel; echo initrd > $out/initrd; echo quiet > $out/kernel-params
        echo init > $out/init
        ${
          if guard then
            "echo '{\"host\": \"${host}\", \"healthChecks\": ${checks}, \"newer\": 1}' > $out/etc/slipway-guard/config.json"
          else
            ""
        }
      '';
      profile = build "activatable-nixos-system-${host}-${name}" ''
        mkdir -p $out
        ln -s ${toplevel}/init $out/init
        ln -s ${toplevel}/bin $out/bin
        printf '#!/bin/sh\necho this must never run >> /nix/test/calls\n' > $out/activate-rs
        cp $out/activate-rs $out/deploy-rs-activate
        chmod +x $out/activate-rs $out/deploy-rs-activate
      '';
    };
  check =
    command:
    ''{"c": {"command": "${command}", "user": "root", "settle": 0, "retries": 0, "timeout": 5}}'';
in
builtins.mapAttrs (name: attrs: system ({ inherit name; } // attrs)) {
  old = { };
  new = { };
  newer = { };
  fails.behaviour = ''ln -sfn $T $R/current-system; echo "it does not work"; exit 2'';
  hangs.behaviour = "ln -sfn $T $R/current-system; sleep 1000";
  slow.behaviour = "sleep 3";
  unit-fails.behaviour = "ln -sfn $T $R/current-system; echo nginx.service > $R/failed-units; exit 4";
  unhealthy.checks = check "exit 3";
  loses-its-cache.behaviour = "cp $R/lost.json $R/upgrade.json";
  healthy.checks = check "test $(id -u) = 0";
  as-nobody.checks = ''{"c": {"command": "test $(id -un) = nobody && test -z \"$NIXOS_NO_CHECK\"", "user": "nobody", "settle": 0, "retries": 0, "timeout": 5}}'';
  boot-hangs.atBoot = "sleep 5";
  elsewhere.host = "Ingress";
  no-guard.guard = false;
  no-system.parts = false;
  with-dependency.needs = build "dependency" "echo dependency > $out";
  with-file.needs = builtins.toFile "file" "content-addressed";
}
