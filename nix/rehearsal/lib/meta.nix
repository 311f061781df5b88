# What is known about a package: its main program, its license, where it runs.
{ lib }:
let
  inherit (builtins)
    any
    isString
    mapAttrs
    match
    ;
  inherit (lib) assertMsg getBin isDerivation;

  license = spdxId: fullName: {
    inherit spdxId fullName;
    url = "https://spdx.org/licenses/${spdxId}.html";
    free = true;
    redistributable = true;
    deprecated = false;
  };
in
rec {
  getExe' =
    package: program:
    assert assertMsg (isDerivation package)
      "getExe': ${lib.generators.toPretty { } package} is not a derivation";
    assert assertMsg (isString program && match ".*/.*" program == null)
      "getExe': ${lib.generators.toPretty { } program} must be the name of a program without a folder";
    "${getBin package}/bin/${program}";

  getExe =
    package:
    getExe' package (
      package.meta.mainProgram
        or (lib.warn "getExe: ${lib.getName package} has no meta.mainProgram; taking its name instead" (
          lib.getName package
        ))
    );

  addMetaAttrs = meta: package: package // { meta = package.meta or { } // meta; };
  setPrio = priority: addMetaAttrs { inherit priority; };
  lowPrio = setPrio 10;
  hiPrio = setPrio (-10);

  platformMatch =
    platform: pattern:
    if isString pattern then
      platform.system or null == pattern
    else
      lib.matchAttrs (if pattern ? parsed then pattern else { parsed = pattern; }) platform;
  availableOn =
    platform: package:
    let
      lists = platforms: any (platformMatch platform) platforms;
      meta = package.meta or { };
    in
    (!meta ? platforms || lists meta.platforms) && !lists meta.badPlatforms or [ ];

  licenses = mapAttrs (shortName: known: known // { inherit shortName; }) {
    agpl3Plus = license "AGPL-3.0-or-later" "GNU Affero General Public License v3.0 or later";
    asl20 = license "Apache-2.0" "Apache License 2.0";
    bsd2 = license "BSD-2-Clause" "BSD 2-clause \"Simplified\" License";
    bsd3 = license "BSD-3-Clause" "BSD 3-clause \"New\" or \"Revised\" License";
    gpl2Plus = license "GPL-2.0-or-later" "GNU General Public License v2.0 or later";
    gpl3Only = license "GPL-3.0-only" "GNU General Public License v3.0 only";
    gpl3Plus = license "GPL-3.0-or-later" "GNU General Public License v3.0 or later";
    isc = license "ISC" "ISC License";
    lgpl21Plus = license "LGPL-2.1-or-later" "GNU Lesser General Public License v2.1 or later";
    mit = license "MIT" "MIT License";
    mpl20 = license "MPL-2.0" "Mozilla Public License 2.0";
  };
}
