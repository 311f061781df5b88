# systemd.*: units become /etc/systemd/system as a whole, so that a unit that is no longer configured is gone. Units
# that Debian ships lie in /usr/lib/systemd/system and are reached by drop-ins, masks and wants.
{
  lib,
  config,
  pkgs,
  standin,
  ...
}:
let
  inherit (lib) mkOption types escapeShellArg;
  inherit (standin) opt;
  cfg = config.systemd;

  unitName = types.strMatching "[a-zA-Z0-9@%:_.\\-]+[.](service|socket|device|mount|automount|swap|target|path|timer|scope|slice)";
  # Lists add up, anything else has to agree.
  unitOption = lib.mkOptionType {
    name = "systemd option";
    merge =
      loc: defs:
      let
        kept = lib.filterOverrides defs;
      in
      if lib.any (def: builtins.isList def.value) kept then
        lib.concatMap (def: lib.toList def.value) kept
      else
        lib.mergeEqualOption loc kept;
  };
  section = opt (types.attrsOf unitOption) { };
  unitList = opt (types.listOf unitName) [ ];
  lines = opt types.lines "";

  # Options of [Unit] that are lists of units, and the key each writes.
  relations = {
    after = "After";
    before = "Before";
    bindsTo = "BindsTo";
    conflicts = "Conflicts";
    onFailure = "OnFailure";
    onSuccess = "OnSuccess";
    partOf = "PartOf";
    requires = "Requires";
    requisite = "Requisite";
    upholds = "Upholds";
    wants = "Wants";
  };
  installOptions = {
    enable = opt types.bool true;
    name = mkOption { type = types.str; };
    overrideStrategy = opt (types.enum [
      "asDropinIfExists"
      "asDropin"
    ]) "asDropinIfExists";
    aliases = unitList;
    wantedBy = unitList;
    requiredBy = unitList;
    upheldBy = unitList;
  };
  unit =
    kind: extraOptions: extraConfig:
    types.submodule (
      {
        name,
        config,
        ...
      }@args:
      {
        options =
          installOptions
          // lib.mapAttrs (_: _: unitList) relations
          // {
            description = opt types.singleLineStr "";
            documentation = opt (types.listOf types.str) [ ];
            unitConfig = section;
            restartTriggers = opt (types.listOf types.unspecified) [ ];
            reloadTriggers = opt (types.listOf unitOption) [ ];
          }
          // extraOptions;
        config = lib.mkMerge [
          {
            name = "${name}.${kind}";
            unitConfig = lib.filterAttrs (_: v: v != "") (
              lib.mapAttrs' (option: key: lib.nameValuePair key (toString config.${option})) relations
              // {
                Description = config.description;
                Documentation = toString config.documentation;
                # One line that changes whenever one of them does.
                X-Restart-Triggers = triggers config.restartTriggers;
                X-Reload-Triggers = triggers config.reloadTriggers;
              }
            );
          }
          (extraConfig args)
        ];
      }
    );
  triggers =
    list:
    lib.concatMapStringsSep " " (
      t: builtins.replaceStrings [ "\n" ] [ " " ] "${if builtins.isPath t then t else toString t}"
    ) (lib.flatten list);

  service =
    unit "service"
      {
        environment = opt (types.attrsOf (
          types.nullOr (
            types.oneOf [
              types.str
              types.path
              types.package
            ]
          )
        )) { };
        path = opt (types.listOf (
          types.oneOf [
            types.package
            types.str
          ]
        )) [ ];
        serviceConfig = section;
        script = lines;
        scriptArgs = opt types.str "";
        preStart = lines;
        postStart = lines;
        reload = lines;
        preStop = lines;
        postStop = lines;
        restartIfChanged = opt types.bool true;
        reloadIfChanged = opt types.bool false;
        stopIfChanged = opt types.bool true;
        startAt = mkOption {
          type = types.either types.str (types.listOf types.str);
          default = [ ];
          apply = lib.toList;
        };
      }
      (
        { name, config, ... }:
        let
          job =
            suffix: text:
            toString (
              pkgs.writeScript "unit-script-${lib.replaceStrings [ "@" ] [ "-" ] name}-${suffix}" "#!/bin/bash\nset -e\n${text}\n"
            );
          # NixOS runs the options' scripts first and adds to what serviceConfig says, for all but the main one.
          add = key: suffix: text: { ${key} = lib.mkIf (text != "") [ (job suffix text) ]; };
        in
        {
          path = lib.mkAfter [
            "/usr/local"
            "/usr"
          ];
          environment.PATH = lib.mkIf (
            config.path != [ ]
          ) "${lib.makeBinPath config.path}:${lib.makeSearchPath "sbin" config.path}";
          serviceConfig = lib.mkMerge [
            (add "ExecStartPre" "pre-start" config.preStart)
            { ExecStart = lib.mkIf (config.script != "") "${job "start" config.script} ${config.scriptArgs}"; }
            (add "ExecStartPost" "post-start" config.postStart)
            { ExecReload = lib.mkIf (config.reload != "") (job "reload" config.reload); }
            (add "ExecStop" "pre-stop" config.preStop)
            (add "ExecStopPost" "post-stop" config.postStop)
          ];
        }
      );

  value =
    v:
    if v == true then
      "true"
    else if v == false then
      "false"
    else
      toString v;
  toKeys =
    attrs:
    lib.concatStrings (
      lib.mapAttrsToList (
        key: v: lib.concatMapStrings (x: "${key}=${value x}\n") (if builtins.isList v then v else [ v ])
      ) attrs
    );
  toSection = name: attrs: lib.optionalString (attrs != { }) "\n[${name}]\n${toKeys attrs}";
  unitText = u: body: lib.removePrefix "\n" (toSection "Unit" u.unitConfig + body);
  serviceText =
    u:
    unitText u (
      toSection "Service" (
        {
          Environment = lib.mapAttrsToList (k: v: builtins.toJSON "${k}=${v}") (
            lib.filterAttrs (_: v: v != null) u.environment
          );
        }
        // lib.optionalAttrs u.reloadIfChanged { X-ReloadIfChanged = true; }
        // lib.optionalAttrs (!u.reloadIfChanged && !u.restartIfChanged) { X-RestartIfChanged = false; }
        // lib.optionalAttrs (!u.stopIfChanged) { X-StopIfChanged = false; }
        // u.serviceConfig
      )
    );
  toUnits =
    text: units:
    lib.mapAttrs' (
      _: u: lib.nameValuePair u.name (lib.getAttrs (lib.attrNames installOptions) u // { text = text u; })
    ) units;

  # Units of Debian's systemd that modules add to. NixOS looks into the packages to know; here they are in the guest.
  isDebians =
    name:
    builtins.match "(systemd-(journald|logind|networkd|networkd-wait-online|resolved|sysctl|timesyncd|udevd)|dbus|(serial-)?getty@[^.]*|user@)[.][a-z]+" name
    != null;

  install =
    _: u:
    let
      name = escapeShellArg u.name;
      dropin = u.overrideStrategy == "asDropin" || isDebians u.name;
      links =
        kind:
        lib.concatMapStrings (by: ''
          mkdir -p ${escapeShellArg "${by}.${kind}"}
          ln -sfn ../${name} ${escapeShellArg "${by}.${kind}"}/${name}
        '');
    in
    if !u.enable then
      "ln -s /dev/null ${name}\n"
    else
      (
        if dropin then
          ''
            mkdir -p ${name}.d
            printf %s ${escapeShellArg u.text} > ${name}.d/overrides.conf
          ''
        else
          "printf %s ${escapeShellArg u.text} > ${name}\n"
      )
      + links "wants" u.wantedBy
      + links "requires" u.requiredBy
      + links "upholds" u.upheldBy
      + lib.concatMapStrings (alias: "ln -s ${name} ${escapeShellArg alias}\n") u.aliases;
in
{
  options.systemd = {
    units = opt (types.attrsOf (
      types.submodule (
        { name, ... }:
        {
          options = installOptions // {
            text = opt (types.nullOr types.str) null;
          };
          config.name = lib.mkDefault name;
        }
      )
    )) { };
    services = opt (types.attrsOf service) { };
    sockets = opt (types.attrsOf (
      unit "socket" {
        socketConfig = section;
        listenStreams = opt (types.listOf types.str) [ ];
        listenDatagrams = opt (types.listOf types.str) [ ];
      } (_: { })
    )) { };
    timers = opt (types.attrsOf (unit "timer" { timerConfig = section; } (_: { }))) { };
    paths = opt (types.attrsOf (unit "path" { pathConfig = section; } (_: { }))) { };
    targets = opt (types.attrsOf (unit "target" { } (_: { }))) { };
    settings.Manager = opt (types.submodule { freeformType = types.attrsOf unitOption; }) { };
    tmpfiles.rules = opt (types.listOf types.str) [ ];
    tmpfiles.settings = opt (types.attrsOf (
      types.attrsOf (
        types.attrsOf (
          types.submodule (
            { name, ... }:
            {
              options = {
                type = opt types.str name;
                mode = opt types.str "-";
                user = opt types.str "-";
                group = opt types.str "-";
                age = opt types.str "-";
                argument = opt types.str "";
              };
            }
          )
        )
      )
    )) { };
  };

  config = {
    systemd.units =
      toUnits serviceText cfg.services
      // toUnits (
        u:
        unitText u (
          toSection "Socket" (
            {
              ListenStream = u.listenStreams;
              ListenDatagram = u.listenDatagrams;
            }
            // u.socketConfig
          )
        )
      ) cfg.sockets
      // toUnits (u: unitText u (toSection "Timer" u.timerConfig)) cfg.timers
      // toUnits (u: unitText u (toSection "Path" u.pathConfig)) cfg.paths
      // toUnits (u: unitText u "") cfg.targets;

    systemd.timers = lib.mapAttrs (_: s: {
      wantedBy = [ "timers.target" ];
      timerConfig.OnCalendar = s.startAt;
    }) (lib.filterAttrs (_: s: s.enable && s.startAt != [ ]) cfg.services);

    environment.etc = {
      "systemd/system".source = pkgs.runCommand "system-units" { } ''
        mkdir $out
        cd $out
        ln -s /usr/lib/systemd/system/multi-user.target default.target
        ${lib.concatStrings (lib.mapAttrsToList install cfg.units)}
      '';
      "systemd/system.conf".text = "[Manager]\n" + toKeys cfg.settings.Manager;
      "tmpfiles.d/00-nixos.conf" = lib.mkIf (cfg.tmpfiles.rules != [ ]) {
        text = lib.concatStringsSep "\n" cfg.tmpfiles.rules + "\n";
      };
    }
    // lib.mapAttrs' (
      name: paths:
      lib.nameValuePair "tmpfiles.d/${name}.conf" {
        text = lib.concatStrings (
          lib.mapAttrsToList (
            path:
            lib.concatMapAttrsStringSep "" (
              _: r: "'${r.type}' '${path}' '${r.mode}' '${r.user}' '${r.group}' '${r.age}' ${r.argument}\n"
            )
          ) paths
        );
      }
    ) cfg.tmpfiles.settings;

    # What systemd does once at boot and a switch has to do again is ordered here, as on NixOS.
    systemd.targets.sysinit-reactivation.description = "Run again what belongs to early boot";
    systemd.services.systemd-tmpfiles-resetup = {
      description = "Create the files that tmpfiles.d asks for";
      requiredBy = [ "sysinit-reactivation.target" ];
      after = [ "local-fs.target" ];
      before = [ "sysinit-reactivation.target" ];
      conflicts = [ "shutdown.target" ];
      unitConfig.DefaultDependencies = false;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "/usr/bin/systemd-tmpfiles --create --remove --exclude-prefix=/dev";
        SuccessExitStatus = "DATAERR CANTCREAT";
      };
    };
  };
}
