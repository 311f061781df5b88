# Functions of lib: command lines, packages, systems.
{ lib }:
with lib;
let
  drv =
    name: extra:
    {
      type = "derivation";
      inherit name;
      outPath = "/nix/store/${name}";
    }
    // extra;
in
{
  toGNUCommandLine = cli.toGNUCommandLine { } {
    a = true;
    b = false;
    cc = "x y";
    d = [
      1
      2
    ];
    e = null;
  };
  toGNUCommandLineShell = cli.toGNUCommandLineShell { } {
    data = "a b";
    X = "PUT";
  };
  toCommandLineGNU = cli.toCommandLineGNU { } {
    v = true;
    long = "x";
    s = 3;
    l = [
      "a"
      "b"
    ];
    n = null;
  };
  toCommandLineShellGNU = cli.toCommandLineShellGNU { } { long = "x y"; };
  getExe-main = getExe (drv "hello-1" { meta.mainProgram = "hi"; });
  getExe-bin = getExe (
    drv "hello-1" {
      meta.mainProgram = "hi";
      bin = "/nix/store/hello-bin";
    }
  );
  getExe-prime-path = getExe' (drv "hello-1" { }) "bin/hi";
  getExe-prime-string = getExe' "hello" "hi";
  licenses = [
    licenses.mit.spdxId
    licenses.mit.shortName
    licenses.mit.free
  ];
  meta-functions = [
    (addMetaAttrs { a = 1; } { meta.b = 2; }).meta
    (lowPrio { }).meta.priority
    (hiPrio { }).meta.priority
  ];
  elaborate =
    let
      e = systems.elaborate "aarch64-linux";
    in
    [
      e.system
      e.config
      e.isAarch64
      e.isx86_64
      e.is64bit
      e.parsed.cpu.name
      e.parsed.kernel.name
      e.linuxArch
      e.qemuArch
      e.libc
    ];
  elaborate-set = (systems.elaborate { system = "x86_64-linux"; }).config;
  elaborate-config = (systems.elaborate { config = "aarch64-unknown-linux-gnu"; }).system;
  systems-doubles = [
    (elem "x86_64-linux" platforms.linux)
    (elem "aarch64-linux" platforms.linux)
    (elem "x86_64-linux" platforms.darwin)
    (elem "aarch64-linux" systems.flakeExposed)
    (elem "x86_64-linux" platforms.all)
  ];
  systems-execute =
    let
      s = systems.elaborate;
    in
    [
      ((s "x86_64-linux").canExecute (s "x86_64-linux"))
      ((s "x86_64-linux").canExecute (s "aarch64-linux"))
      ((s "x86_64-linux").canExecute (s "i686-linux"))
    ];
  availableOn =
    let
      p = systems.elaborate "x86_64-linux";
    in
    [
      (meta.availableOn p { })
      (meta.availableOn p { meta.platforms = [ "x86_64-linux" ]; })
      (meta.availableOn p { meta.platforms = platforms.darwin; })
      (meta.availableOn p { meta.badPlatforms = [ "x86_64-linux" ]; })
    ];
  makeOverridable =
    let
      f = makeOverridable (
        {
          a,
          b ? 2,
        }:
        {
          sum = a + b;
        }
      );
    in
    [
      (f { a = 1; }).sum
      ((f { a = 1; }).override { b = 5; }).sum
      ((f { a = 1; }).override (old: {
        a = old.a + 10;
      })).sum
    ];
  callPackageWith =
    (callPackageWith
      {
        a = 1;
        c = 9;
      }
      (
        {
          a,
          b ? 2,
        }:
        {
          inherit a b;
        }
      )
      { b = 3; }
    ).b;
  callPackageWith-missing = callPackageWith { } ({ a }: { inherit a; }) { };
  cleanSourceFilter = map (n: cleanSourceFilter n "regular") [
    "/a/b.o"
    "/a/b.c"
    "/a/b~"
    "/a/.b.swp"
    "/a/.swp"
    "/a/.git"
    "/a/b.so"
  ];
  cleanSourceFilter-types = [
    (cleanSourceFilter "/a/.svn" "directory")
    (cleanSourceFilter "/a/result" "symlink")
    (cleanSourceFilter "/a/result" "regular")
    (cleanSourceFilter "/a/s" "unknown")
  ];
  text-closure =
    textClosureMap id
      {
        a = fullDepEntry "A" [ "b" ];
        b = noDepEntry "B";
        c = stringAfter [ "a" ] "C";
        d = packEntry [ "c" ];
      }
      [
        "d"
        "b"
      ];
}
