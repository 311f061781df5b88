# What differs between `xtask status --json` and $metrics, a line each; if nothing does, the generations that they tell.

# [{ name, labels, value }]
def samples:
  [ $metrics | split("\n")[]
    | capture("^(?<name>nixos_[a-z_]+)([{](?<labels>.*)[}])? (?<value>[^ ]+)$")
    | .labels = ([(.labels // "") | scan("([a-z]+)=\"([^\"]*)\"") | { key: .[0], value: .[1] }] | from_entries)
    | .value |= tonumber ];

samples as $samples
| def all($name): [$samples[] | select(.name == $name)];
  def value($name): all($name)[0].value;
  def system($role): [all("nixos_system_info")[] | select(.labels.role == $role).labels][0];
  def number: if . then 1 else 0 end;

.hosts[$host] as $status
| $status.live as $live
| $live.guard as $guard
# Without a guard nobody but the collector may ask the loader what boots: status takes the profile for it.
| ($guard != null or system("boot").toplevel == $live.bootDefault) as $knows_boot
| ($live.state.is == "on-trial" and ($live.state.booted | not)) as $waits
# A test of which a guard knows nothing shows itself.
| ($live.state.is == "test-until"
    or (system("running").toplevel | . != system("boot").toplevel and . != system("booted").toplevel)) as $test
| ($guard.lastActivation // {}) as $last
| [
    ["answers", 1, ($live != null | number)],
    ["running", $live.running, system("running").toplevel],
    ["booted", $live.booted, system("booted").toplevel],
    ["guard", ($guard != null | number), value("nixos_guard")],
    ["test", ($test | number), value("nixos_test_activation")],
    if $knows_boot then
      ["boot", $live.bootDefault, system("boot").toplevel],
      ["reboot", ($waits or ($status.rebootDue != []) | number), value("nixos_reboot_required")],
      ["reasons", ($status.rebootDue + if $waits then ["boot-pending"] else [] end | sort),
        ([all("nixos_reboot_reason")[].labels.reason] | sort)]
    else empty end,
    if $live.state.is == "test-until" then
      ["lease", ($live.state.until | fromdateiso8601), value("nixos_test_activation_until_seconds")]
    else empty end,
    if $guard != null then
      ["commit", ($guard.runningCommit // ""), system("running").revision]
    else empty end,
    # What the guard did by itself is no deployment.
    if $last.ended and ($last.purpose | IN("switch", "boot", "test", "keep", "rollback")) then
      ["ended", ($last.ended.at | fromdateiso8601), value("nixos_deployment_last_time_seconds")],
      ["purpose", $last.purpose, all("nixos_deployment_last_info")[0].labels.purpose]
    else empty end
  ]
| map(select(.[1] != .[2]) | "\(.[0]): status says \(.[1] | tojson), and metrics say \(.[2] | tojson)")
| if . == [] then
    "generations: \([("current", "boot", "booted") | value("nixos_\(.)_generation")] | join(" "))"
  else
    (join("\n") + "\n" | halt_error(1))
  end
