# services.harmonia.cache: Harmonia itself where the guest has it (`cargo xtask vm-test --harmonia`). Debian has none: else
# nginx serves files that `nix copy` exports of the guest's store, with the signatures that its paths have, and lets go of
# them when the store does. Either way it is harmonia.service, at the address of its settings, and says in its journal which.
{
  lib,
  config,
  pkgs,
  standin,
  ...
}:
let
  inherit (standin) opt flag;
  inherit (pkgs) formats;
  cfg = config.services.harmonia.cache;
  nginx = pkgs.writeText "export.conf" ''
    daemon off;
    pid /run/harmonia/pid;
    error_log stderr;
    events { }
    http {
      access_log off;
      client_body_temp_path /run/harmonia/body;
      proxy_temp_path /run/harmonia/proxy;
      fastcgi_temp_path /run/harmonia/fastcgi;
      uwsgi_temp_path /run/harmonia/uwsgi;
      scgi_temp_path /run/harmonia/scgi;
      server {
        listen ${cfg.settings.bind or "[::]:5000"};
        root /var/lib/harmonia/export;
      }
    }
  '';
in
{
  options.services.harmonia.cache = {
    enable = flag;
    settings = opt formats.any { };
  };

  config = lib.mkIf cfg.enable {
    users.users.harmonia = {
      group = "harmonia";
      isSystemUser = true;
    };
    users.groups.harmonia = { };
    systemd.services.harmonia = {
      description = "A binary cache over the store";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      path = [ config.nix.package ];
      environment = {
        CONFIG_FILE = (formats.toml { }).generate "harmonia.toml" cfg.settings;
        HOME = "/var/lib/harmonia";
      };
      serviceConfig = {
        User = "harmonia";
        StateDirectory = "harmonia";
        RuntimeDirectory = "harmonia";
        Restart = "on-failure";
      };
      script = ''
        if [ -x /usr/bin/harmonia-cache ]; then
          echo "Harmonia serves the store"
          exec /usr/bin/harmonia-cache
        fi
        echo "there is no Harmonia: nginx serves an export of the store"
        cd "$STATE_DIRECTORY"
        touch exported
        nix="nix --extra-experimental-features nix-command"

        # Each path with its signatures. What is new or was signed is exported again, and what is gone goes. Another folder
        # takes the place of the one that is served when it has all of it: no client meets a path without its references.
        refresh() {
          $nix path-info --all --sigs >listed || return
          # Nix fills paths up to the longest one's width: a longer one would change every line.
          sed 's/ *\t/\t/' listed | sort >store
          case $(readlink export) in first) next=second ;; *) next=first ;; esac
          rm -rf $next
          if [ -e export ]; then cp -al export/. $next || return; else mkdir $next || return; fi
          printf 'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: ${
            toString (cfg.settings.priority or 30)
          }\n' >info
          mv info $next/nix-cache-info || return
          grep -vxFf store exported | while read -r path rest; do
            hash=''${path#/nix/store/}
            narinfo=$next/''${hash%%-*}.narinfo
            [ -e "$narinfo" ] || continue
            nar=$(sed -n 's/^URL: //p' "$narinfo")
            rm "$narinfo"
            # Paths that are alike share it.
            grep -qsxF "URL: $nar" $next/*.narinfo || rm -f "$next/$nar"
          done
          grep -vxFf exported store | cut -f1 |
            xargs -r $nix copy --no-recursive --to "file://$PWD/$next?compression=none" || return
          ln -sfn $next link && mv -T link export && mv store exported
        }
        # Looking at the store changes none of this.
        state() {
          stat -c '%.9Y %s' /nix/var/nix/db/db.sqlite
          if [ -s /nix/var/nix/db/db.sqlite-wal ]; then stat -c '%.9Y %s' /nix/var/nix/db/db.sqlite-wal; fi
        }

        seen=$(state)
        refresh || seen=
        /usr/sbin/nginx -c ${nginx} &
        server=$!
        while kill -0 $server; do
          sleep 1
          now=$(state)
          if [ "$now" != "$seen" ] && refresh; then seen=$now; fi
        done
      '';
    };
  };
}
