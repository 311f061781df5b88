# Platforms: what modules ask about the machine that a configuration is for.
{ lib }:
let
  inherit (builtins) elem head isAttrs;

  cpus = {
    aarch64 = {
      bits = 64;
      family = "arm";
      linuxArch = "arm64";
    };
    armv6l = {
      bits = 32;
      family = "arm";
      linuxArch = "arm";
    };
    armv7l = {
      bits = 32;
      family = "arm";
      linuxArch = "arm";
    };
    i686 = {
      bits = 32;
      family = "x86";
      linuxArch = "i386";
    };
    riscv64 = {
      bits = 64;
      family = "riscv";
      linuxArch = "riscv";
    };
    x86_64 = {
      bits = 64;
      family = "x86";
      linuxArch = "x86_64";
    };
  };

  doublesOf = kernel: map (cpu: "${cpu}-${kernel}");
  linux = doublesOf "linux" (builtins.attrNames cpus);
  darwin = doublesOf "darwin" [
    "aarch64"
    "x86_64"
  ];

  onCpus =
    names: builtins.filter (double: elem (head (lib.splitString "-" double)) names) (linux ++ darwin);

  doubles = {
    inherit linux darwin;
    all = linux ++ darwin;
    unix = linux ++ darwin;
    x86 = onCpus [
      "i686"
      "x86_64"
    ];
    x86_64 = onCpus [ "x86_64" ];
    i686 = onCpus [ "i686" ];
    aarch64 = onCpus [ "aarch64" ];
    riscv64 = onCpus [ "riscv64" ];
    none = [ ];
  };

  elaborate =
    given:
    let
      args = if isAttrs given then given else { system = given; };
      parts = builtins.match "([^-]+)-(.+-)?(linux|darwin)(-[a-z]+)?" (args.config or args.system);
      cpu = head parts;
      kernel = builtins.elemAt parts 2;
      about =
        cpus.${cpu} or (throw "no platform is known for the system `${args.config or args.system}'");
      isLinux = kernel == "linux";
      isDarwin = kernel == "darwin";
      vendor = if isDarwin then "apple" else "unknown";
      abi = if isDarwin then "unknown" else "gnu";
      platform = {
        system = "${cpu}-${kernel}";
        config = "${cpu}-${vendor}-${kernel}${lib.optionalString isLinux "-${abi}"}";
        parsed = {
          _type = "system";
          cpu = {
            inherit (about) bits family;
            name = cpu;
          };
          kernel.name = kernel;
          vendor.name = vendor;
          abi.name = abi;
        };
        inherit (about) linuxArch;
        qemuArch = if cpu == "i686" then "i386" else cpu;
        libc = if isLinux then "glibc" else "libSystem";
        inherit isLinux isDarwin;
        isUnix = true;
        isGnu = isLinux;
        isMusl = false;
        isStatic = false;
        isx86 = about.family == "x86";
        isx86_32 = cpu == "i686";
        isx86_64 = cpu == "x86_64";
        isi686 = cpu == "i686";
        isAarch = about.family == "arm";
        isAarch32 = about.family == "arm" && about.bits == 32;
        isAarch64 = cpu == "aarch64";
        isRiscV = about.family == "riscv";
        isRiscV64 = cpu == "riscv64";
        is32bit = about.bits == 32;
        is64bit = about.bits == 64;
        isLittleEndian = true;
        isBigEndian = false;
        extensions = {
          executable = "";
          sharedLibrary = if isDarwin then ".dylib" else ".so";
          staticLibrary = ".a";
        };
        canExecute =
          other:
          other.system == platform.system
          || platform.system == "x86_64-linux" && other.system == "i686-linux";
      };
    in
    if parts == null then
      throw "`${args.config or args.system}' is not a system: expected CPU-KERNEL, as in x86_64-linux"
    else
      platform;
in
{
  inherit elaborate doubles;
  equals = a: b: a.system == b.system;
  flakeExposed = [
    "x86_64-linux"
    "aarch64-linux"
    "x86_64-darwin"
    "armv6l-linux"
    "armv7l-linux"
    "i686-linux"
    "aarch64-darwin"
    "riscv64-linux"
  ];
}
