# Compares the running machine with $expected. Prints a line for each difference; exit code 1 if there is one.
# Root runs it, with the names of the parts to look at: users sudoers firewall sshd nix units time-zone (default: all).
set -uo pipefail
found=0

differs() {
  echo "$1"
  found=1
}
# is WHAT EXPECTED FOUND
is() {
  if [ "$2" != "$3" ]; then differs "$1 is \`$3', and should be \`$2'"; fi
}
# wanted FILTER: from the expectation, as text
wanted() {
  jq -r "$@" "$expected"
}
# same WHAT EXPECTED-JSON FOUND-JSON: compared key by key, so that one difference is one line
same() {
  local lines
  if ! lines=$(jq -rn --argjson e "$2" --argjson f "$3" --arg what "$1" '
    def show: if . == null then "nothing" else tojson end;
    if ($e | type) == "object" and ($f | type) == "object" then
      (($e + $f) | keys[]) as $k | select($e[$k] != $f[$k])
      | "\($what): \($k) is \($f[$k] | show), and should be \($e[$k] | show)"
    else
      select($e != $f) | "\($what) is \($f | show), and should be \($e | show)"
    end'); then
    differs "$1 cannot be read"
  elif [ -n "$lines" ]; then
    differs "$lines"
  fi
}

users() {
  local name entry account shadow
  while IFS= read -r name; do
    account=$(wanted -c --arg name "$name" '.users.accounts[$name]')
    if ! entry=$(getent passwd "$name"); then
      differs "user $name is missing"
      continue
    fi
    IFS=: read -r _ _ uid _ description home shell <<< "$entry"
    if [ "$(jq -r .uid <<< "$account")" != null ]; then is "uid of $name" "$(jq -r .uid <<< "$account")" "$uid"; fi
    is "home of $name" "$(jq -r .home <<< "$account")" "$home"
    is "shell of $name" "$(jq -r .shell <<< "$account")" "$shell"
    is "description of $name" "$(jq -r .description <<< "$account")" "$description"
    is "groups of $name" "$(jq -r '.groups | join(" ")' <<< "$account")" \
      "$(id -nG "$name" | tr ' ' '\n' | sort | tr '\n' ' ' | sed 's/ $//')"
    shadow=$(getent shadow "$name" | cut -d: -f2)
    if [ "$(jq -r .locked <<< "$account")" = true ]; then
      case $shadow in '*' | '!'*) ;; *) differs "user $name has a password" ;; esac
    fi
    is "keys of $name" "$(jq -r '.keys[]' <<< "$account")" "$(cat "/etc/ssh/authorized_keys.d/$name" 2>/dev/null)"
  done < <(wanted '.users.accounts | keys[]')
  # Nobody else is a person, where the configuration alone says who is.
  if [ "$(wanted .users.mutableUsers)" = false ]; then
    is "people" "$(wanted '.users.people | join(" ")')" \
      "$(getent passwd | awk -F: '$3 >= 1000 && $3 < 30000 { print $1 }' | sort | tr '\n' ' ' | sed 's/ $//')"
  fi
}

# The file as sudo itself reads it.
sudoers() {
  local rules
  if ! rules=$(cvtsudoers -f json /etc/sudoers 2>&1); then
    differs "sudoers cannot be read: $rules"
    return
  fi
  same "sudoers" "$(wanted -c '.sudoers')" "$(jq -c '
    def name: .username // .hostname // .command // (
      if .usergroup then "%" + .usergroup elif .userid then "#\(.userid)" else "%#\(.usergid)" end);
    def tags: [.Options[]? | to_entries[] | select(.key != "command_timeout")
      | {authenticate: ["PASSWD", "NOPASSWD"], setenv: ["SETENV", "NOSETENV"], noexec: ["NOEXEC", "EXEC"]}[.key] as $words
      | if $words then (if .value then $words[0] else $words[1] end) else .key end] | sort;
    [.User_Specs[] | .Host_List as $hosts | .User_List[] as $who | .Cmnd_Specs[]
      | . as $spec | .Commands[]
      | { who: ($who | name), hosts: ($hosts | map(name) | join(",")),
          runAs: ([$spec.runasusers // [], $spec.runasgroups // []] | map(map(name | ltrimstr("%")) | join(",")) | map(select(. != "")) | join(":")),
          command: name, options: ($spec | tags) }]' <<< "$rules")"
}

firewall() {
  local rules
  if ! rules=$(nft -j list table inet nixos-fw 2>&1); then
    differs "there is no firewall: $rules"
    return
  fi
  is "policy of the firewall" drop "$(jq -r '.nftables[].chain? | select(.name == "input") | .policy' <<< "$rules")"
  # Rules that accept: to which ports, and from where.
  same "firewall" "$(wanted -c '.firewall')" "$(jq -c '
    def values: if type == "object" and has("set") then .set[] else . end
      | if type == "object" and has("range") then range(.range[0]; .range[1] + 1)
        elif type == "object" and has("prefix") then "\(.prefix.addr)/\(.prefix.len)" else . end;
    [.nftables[].rule? // empty | select(.chain == "input-allow" and any(.expr[]; has("accept")))
      | [.expr[].match? // empty] as $matches
      | { ports: [$matches[] | select(.left.payload.field? == "dport") | .right | values],
          protocol: ([$matches[] | select(.left.payload.field? == "dport") | .left.payload.protocol] | first),
          from: [$matches[] | select(.left.payload.field? == "saddr") | .right | values],
          to: [$matches[] | select(.left.payload.field? == "daddr")] }
      | select(.ports != [] and .to == [])] as $rules
    | def open($protocol): [$rules[] | select(.from == [] and .protocol == $protocol) | .ports[]] | unique;
      { tcp: open("tcp"), udp: open("udp"),
        internal: { ports: [$rules[] | select(.from != []) | .ports[]] | unique,
                    networks: [$rules[] | select(.from != []) | .from[]] | unique } }' <<< "$rules")"
}

# What sshd makes of its file, and that it answers on its ports.
sshd() {
  local effective port banner
  if ! effective=$(command sshd -T -f /etc/ssh/sshd_config 2>&1); then
    differs "sshd refuses its configuration: $effective"
    return
  fi
  same "sshd" "$(wanted -c '.sshd | map_values(map(if . == "prohibit-password" then "without-password" else . end))')" \
    "$(jq -cR --slurpfile e "$expected" -n '
      reduce (inputs | select(test("^[^ ]+ "))) as $line ({};
        ($line | split(" ")[0]) as $key | .[$key] += [$line | ltrimstr($key + " ")])
      | with_entries(select(.key as $k | $e[0].sshd | has($k)))' <<< "$effective")"
  for port in $(wanted '.sshd.port[]'); do
    banner=$(timeout 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port && head -c 4 <&3" 2>/dev/null)
    is "what answers on port $port" "SSH-" "$banner"
  done
}

nix_settings() {
  local shown added=
  # Without a network it would set other time-outs, of its own accord; where there is a proxy it does not.
  if ! shown=$(all_proxy='' nix --extra-experimental-features nix-command config show --json); then
    differs "nix refuses its configuration"
    return
  fi
  # The play's own key, which no configuration knows.
  if [ -e /etc/slipway-test/nix.conf ]; then
    added=$(sed -n 's/^extra-trusted-public-keys = *//p' /etc/slipway-test/nix.conf)
  fi
  # In the rehearsal's guest nothing can be sandboxed; elsewhere that must be as configured.
  local rehearsal=false
  if [ -e /etc/slipway-rehearsal-guest ]; then rehearsal=true; fi
  same "nix" "$(wanted -c --arg added "$added" --argjson rehearsal "$rehearsal" '
      .nix | if $rehearsal then del(.sandbox) else . end
      | .["trusted-public-keys"] += ($added | split(" ") | map(select(. != "")))
      | with_entries(if (.value | type) == "array" and .key != "substituters" then .value |= unique else . end)')" \
    "$(jq -c --slurpfile e "$expected" --argjson rehearsal "$rehearsal" '
      with_entries(select(.key as $k | $e[0].nix | has($k))) | map_values(.value)
      # Flakes bring this one along.
      | .["experimental-features"] |= if . and index(["flakes"]) then . - ["fetch-tree"] else . end
      | if $rehearsal then del(.sandbox) else . end
      | with_entries(if (.value | type) == "array" and .key != "substituters" then .value |= unique else . end)' <<< "$shown")"
  local answer
  answer=$(nix --extra-experimental-features nix-command store info --store daemon 2>&1) \
    || differs "the nix daemon does not answer: $answer"
}

# Loaded and running, or done, or skipped for a condition that the unit itself states.
units() {
  local unit state
  while IFS= read -r unit; do
    state=$(systemctl show -p LoadState,ActiveState,ConditionResult,Type,Result "$unit")
    case $state in
      *LoadState=loaded*) ;;
      *)
        differs "unit $unit is not loaded"
        continue
        ;;
    esac
    case $state in
      *ActiveState=active* | *ActiveState=reloading*) ;;
      *ConditionResult=no*) ;;
      *ActiveState=inactive*)
        case $state in
          *Type=oneshot*Result=success* | *Result=success*Type=oneshot*) ;;
          *) differs "unit $unit does not run" ;;
        esac
        ;;
      *) differs "unit $unit is $(systemctl is-active "$unit")" ;;
    esac
  done < <(wanted '.units | (.services[] + ".service"), (.timers[] + ".timer")')
  unit=$(systemctl list-units --failed --plain --no-legend | awk '{ print $1 }' | tr '\n' ' ')
  is "failed units" "" "${unit% }"
}

time_zone() {
  local zone
  zone=$(wanted '.timeZone // "UTC"')
  is "time zone" "$zone" "$(readlink -f /etc/localtime | sed 's|.*/zoneinfo/||')"
  is "offset of the clock" "$(TZ=$zone date +%z)" "$(date +%z)"
}

for part in "${@:-all}"; do
  case $part in
    users | sudoers | firewall | sshd | units) "$part" ;;
    nix) nix_settings ;;
    time-zone) time_zone ;;
    all) users; sudoers; firewall; sshd; nix_settings; units; time_zone ;;
    *)
      echo "as-configured: there is no part \`$part'; the parts are users sudoers firewall sshd nix units time-zone" >&2
      exit 2
      ;;
  esac
done
exit $found
