# The part of nixpkgs that a fleet uses. Builders are /bin/sh scripts with the building machine's coreutils (about
# 0.06 s each, no stdenv); programs are folders of links to the guest's Debian binaries.
{
  lib,
  system,
  cratesDir,
  config ? { },
  overlays ? [ ],
}:
let
  builderPath = "/usr/bin:/bin:/run/current-system/sw/bin";
  # `script` runs with $out set. It goes through a file: one environment variable may not exceed 128 KiB.
  build =
    name: script: attrs:
    let
      drv = builtins.derivation (
        {
          inherit name system script;
          builder = "/bin/sh";
          args = [
            "-euc"
            ''. "$scriptPath"''
          ];
          passAsFile = [ "script" ] ++ attrs.passAsFile or [ ];
          # The last folder is where the tools are when the building machine is NixOS.
          PATH =
            lib.optionalString (attrs ? nativeBuildInputs) "${lib.makeBinPath attrs.nativeBuildInputs}:"
            + builderPath;
          preferLocalBuild = true;
        }
        // removeAttrs attrs [
          "meta"
          "nativeBuildInputs"
          "passAsFile"
          "passthru"
        ]
      );
      nameParts = builtins.parseDrvName name;
    in
    drv
    // {
      pname = nameParts.name;
      inherit (nameParts) version;
      meta = attrs.meta or { };
      passthru = attrs.passthru or { };
    }
    // attrs.passthru or { };

  inherit (lib) escapeShellArg escapeShellArgs;

  base =
    final:
    {
      inherit
        lib
        system
        config
        overlays
        ;
      stdenv.hostPlatform = lib.systems.elaborate system;
      stdenv.buildPlatform = final.stdenv.hostPlatform;
      runtimeShell = "/bin/bash";

      # Text and scripts.
      writeTextFile =
        {
          name,
          text,
          executable ? false,
          destination ? "",
          checkPhase ? "",
          meta ? { },
          passthru ? { },
        }:
        build name
          ''
            target=$out${escapeShellArg destination}
            mkdir -p "$(dirname "$target")"
            cp "$textPath" "$target"
            ${lib.optionalString executable ''chmod +x "$target"''}
            ${checkPhase}
          ''
          {
            inherit text meta passthru;
            passAsFile = [ "text" ];
          };
      writeText = name: text: final.writeTextFile { inherit name text; };
      writeTextDir =
        path: text:
        final.writeTextFile {
          name = baseNameOf path;
          inherit text;
          destination = "/${path}";
        };
      writeScript =
        name: text:
        final.writeTextFile {
          inherit name text;
          executable = true;
        };
      writeScriptBin =
        name: text:
        final.writeTextFile {
          inherit name text;
          executable = true;
          destination = "/bin/${name}";
          meta.mainProgram = name;
        };
      writeShellScript = name: text: final.writeScript name (final.shellScript text);
      writeShellScriptBin = name: text: final.writeScriptBin name (final.shellScript text);
      shellScript = text: ''
        #!${final.runtimeShell}
        ${text}
      '';
      writeShellApplication =
        {
          name,
          text,
          runtimeInputs ? [ ],
          runtimeEnv ? { },
          bashOptions ? [
            "errexit"
            "nounset"
            "pipefail"
          ],
          meta ? { },
          ...
        }:
        final.writeTextFile {
          inherit name;
          executable = true;
          destination = "/bin/${name}";
          meta = {
            mainProgram = name;
          }
          // meta;
          text = final.shellScript ''
            ${lib.concatMapStringsSep "\n" (option: "set -o ${option}") bashOptions}
            ${lib.concatStringsSep "\n" (
              lib.mapAttrsToList (k: v: "export ${k}=${escapeShellArg v}") runtimeEnv
            )}
            ${lib.optionalString (
              runtimeInputs != [ ]
            ) ''export PATH="${lib.makeBinPath runtimeInputs}:$PATH"''}
            ${text}
          '';
          # shellcheck is not among the thin packages; a syntax error is still found when it is built.
          checkPhase = ''sh -c 'command -v bash >/dev/null || exit 0; bash -n "$1"' sh "$target"'';
        };

      # Commands and trees.
      runCommand =
        name: env: script:
        build name script env;
      runCommandLocal = final.runCommand;
      emptyFile = build "empty-file" ": > $out" { };
      emptyDirectory = build "empty-directory" "mkdir $out" { };
      linkFarm =
        name: entries:
        let
          list =
            if builtins.isAttrs entries then
              lib.mapAttrsToList (name: path: { inherit name path; }) entries
            else
              entries;
        in
        build name (
          "mkdir $out\n"
          + lib.concatMapStrings (entry: ''
            mkdir -p "$(dirname $out/${escapeShellArg entry.name})"
            ln -s ${escapeShellArg "${entry.path}"} $out/${escapeShellArg entry.name}
          '') list
        ) { };
      # Both merge folder by folder. The first path wins, as buildEnv does with equal priorities ignored.
      buildEnv =
        {
          name,
          paths,
          pathsToLink ? [ "/" ],
          postBuild ? "",
          meta ? { },
          passthru ? { },
          ...
        }:
        build name ''
          merge() { # merge SOURCE TARGET
            for entry in "$1"/* "$1"/.[!.]*; do
              target=$2/''${entry##*/}
              if [ ! -e "$entry" ] && [ ! -L "$entry" ]; then continue; fi
              if [ -d "$target" ] && [ -d "$entry" ]; then
                if [ -L "$target" ]; then
                  first=$(readlink "$target")
                  rm "$target" && mkdir "$target"
                  ( merge "$first" "$target" )
                fi
                ( merge "$entry" "$target" )
              elif [ ! -e "$target" ] && [ ! -L "$target" ]; then
                ln -s "$entry" "$target"
              fi
            done
          }
          mkdir $out
          for path in ${escapeShellArgs (map toString paths)}; do
            for sub in ${escapeShellArgs pathsToLink}; do
              if [ "$sub" = / ]; then merge "$path" $out; continue; fi
              if [ -d "$path$sub" ]; then mkdir -p "$out$sub"; merge "$path$sub" "$out$sub"; fi
            done
          done
          ${postBuild}
        '' { inherit meta passthru; };
      symlinkJoin = final.buildEnv;

      formats = import ./formats.nix { inherit lib final; };

      # A crate of this repository, as cargo built it: see the input `crates`. How to build it is not looked at.
      rustPlatform.buildRustPackage =
        {
          pname,
          meta ? { },
          ...
        }:
        let
          name = pname;
        in
        if builtins.pathExists "${cratesDir}/bin/${name}" then
          build name ''
            mkdir -p $out/bin
            cp ${builtins.path { path = "${cratesDir}/bin/${name}"; }} $out/bin/${name}
            chmod +x $out/bin/${name}
          '' { inherit meta; }
        else
          throw "the crate ${name} is not in the rehearsal store: cargo builds it, not Nix; try: cargo xtask check";

      # `nix develop` runs the builder with a script of its own, which insists on bash and on a list of outputs.
      mkShell =
        {
          name ? "shell",
          packages ? [ ],
          shellHook ? "",
        }:
        builtins.derivation {
          inherit name system shellHook;
          outputs = [ "out" ];
          builder = "/bin/bash";
          args = [
            "-c"
            "export > $out"
          ];
          PATH = "${lib.makeBinPath packages}:${builderPath}";
        };
    }
    // import ./programs.nix { inherit lib build; };
in
lib.fix (lib.foldl' (attrs: overlay: lib.extends overlay attrs) base overlays)
