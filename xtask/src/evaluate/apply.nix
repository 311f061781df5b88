# What xtask applies to a flake's outputs. Each finished host is one trace line with JSON, so that the hosts before one
# that fails are not lost: no Nix expression can catch every kind of evaluation error.
{
  # What each of our lines starts with.
  mark,
  # Names, in the order in which they are evaluated; null for the first few of the fleet.
  hosts ? null,
  first ? 0,
  # The line about the fleet as a whole.
  overview,
  inventory,
  profile,
  toplevel,
}:
outputs:
let
  inherit (builtins)
    attrNames
    elem
    elemAt
    foldl'
    genList
    head
    isAttrs
    isBool
    isString
    length
    match
    toJSON
    trace
    typeOf
    ;

  emit = event: trace "${mark}:${toJSON event}";

  configurations = outputs.nixosConfigurations or { };

  # Another flake's output may have the same name and mean something else.
  fleet =
    let
      found = outputs.fleet or null;
    in
    if isAttrs found && found ? version && found ? hosts then found else null;

  # A field of it, or the error that says what is wrong with it.
  fleetField =
    name: expected: good: default:
    let
      value = fleet.${name} or default;
    in
    if good value then
      value
    else
      throw "the flake output `fleet.${name}' is a ${typeOf value}, and has to be ${expected}: see lib.mkFleet";

  deploy = outputs.deploy or { };
  nodes = deploy.nodes or { };

  systemOf =
    configuration:
    if configuration.options.nixpkgs.hostPlatform.isDefined or false then
      configuration.config.nixpkgs.hostPlatform.system
    else
      configuration.pkgs.stdenv.hostPlatform.system;

  # deploy-rs looks for a setting in the profile, the node and the whole; what it defaults to is repeated here.
  nodeOf =
    name:
    let
      node = nodes.${name};
      profile = node.profiles.system or { };
      setting = field: default: profile.${field} or node.${field} or deploy.${field} or default;
    in
    {
      inherit (node) hostname;
      sshUser = setting "sshUser" null;
      user = setting "user" "root";
      sshOpts = setting "sshOpts" [ ];
      magicRollback = setting "magicRollback" true;
      autoRollback = setting "autoRollback" true;
      confirmTimeout = setting "confirmTimeout" 30;
      activationTimeout = setting "activationTimeout" 240;
      fastConnection = setting "fastConnection" false;
    };

  # What can be read of a host that no mkFleet made.
  fallback =
    name: configuration:
    let
      system = systemOf configuration;
      architecture = head (match "([^-]*)-.*" system);
    in
    {
      inherit name system;
      description = "";
      deployable = nodes ? ${name};
      targetHost = nodes.${name}.hostname or null;
      wave = 0;
      builder = false;
      runnerLabel = if architecture == "x86_64" then "nix" else "nix-${architecture}";
      healthChecks = { };
      node = if nodes ? ${name} then nodeOf name else null;
    };

  evaluate =
    name:
    let
      configuration = configurations.${name};
      system = configuration.config.system.build.toplevel;
    in
    {
      host = name;
      inventory =
        if inventory then configuration.config.homelab.inventory or (fallback name configuration) else null;
      toplevel =
        if toplevel then
          {
            drv = system.drvPath;
            out = system.outPath;
          }
        else
          null;
      profile =
        if profile && nodes ? ${name} then
          {
            drv = nodes.${name}.profiles.system.path.drvPath;
            out = nodes.${name}.profiles.system.path.outPath;
          }
        else
          null;
    };

  names = attrNames configurations;
  chosen =
    if hosts != null then
      hosts
    else
      genList (elemAt names) (if first < length names then first else length names);
  all = foldl' (_: name: emit { begin = name; } (emit { done = evaluate name; } null)) null chosen;
in
if overview then
  emit {
    overview = {
      hosts = names;
      declared = fleet != null;
      stage = fleetField "stage" "\"rehearsal\" or \"nixos\"" (
        value:
        elem value [
          null
          "rehearsal"
          "nixos"
        ]
      ) null;
      hostsDir = fleetField "hostsDir" "a string or null" (value: value == null || isString value) null;
      hermetic = fleetField "hermetic" "true or false" isBool false;
    };
  } all
else
  all
