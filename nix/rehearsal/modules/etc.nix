# environment.etc: one tree in the store, which activation/etc.pl lays over the guest's /etc.
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

  # Relative to the tree: a store path of its own for each file would cost 0.06 s a file.
  place =
    entry:
    let
      target = escapeShellArg entry.target;
    in
    ''
      parent ${target}
    ''
    + (
      if entry.text != null then
        "printf %s ${escapeShellArg entry.text} > ${target}\n"
      else
        "ln -s ${escapeShellArg "${entry.source}"} ${target}\n"
    )
    + lib.optionalString (entry.mode != "symlink") ''
      printf '%s\n' ${escapeShellArg "${entry.mode} ${entry.user} ${entry.group}"} > ${escapeShellArg "${entry.target}.mode"}
    '';
in
{
  options.environment.etc = mkOption {
    type = types.attrsOf (
      types.submodule (
        { name, config, ... }:
        {
          options = {
            enable = opt types.bool true;
            target = mkOption { type = types.str; };
            text = opt (types.nullOr types.lines) null;
            source = mkOption { type = types.path; };
            mode = opt types.str "symlink";
            uid = opt types.int 0;
            gid = opt types.int 0;
            user = mkOption {
              type = types.str;
              default = "+${toString config.uid}";
            };
            group = mkOption {
              type = types.str;
              default = "+${toString config.gid}";
            };
          };
          config = {
            target = lib.mkDefault name;
            source = lib.mkIf (config.text != null) (
              lib.mkDerivedConfig config.text (pkgs.writeText "etc-${baseNameOf name}")
            );
          };
        }
      )
    );
    default = { };
  };

  config = {
    system.build.etc = pkgs.runCommand "etc" { } ''
      parent() { case $1 in */*) [ -d "''${1%/*}" ] || mkdir -p "''${1%/*}" ;; esac; }
      mkdir -p $out/etc
      cd $out/etc
      ${lib.concatMapStrings place (
        builtins.filter (entry: entry.enable) (lib.attrValues config.environment.etc)
      )}
    '';
    system.activationScripts.etc = {
      deps = [ "users" ];
      text = "perl ${pkgs.writeScript "etc.pl" (builtins.readFile ../activation/etc.pl)} \"$systemConfig/etc\"";
    };
  };
}
