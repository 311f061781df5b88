# The stand-in for nixpkgs' `lib`: its module system, and of its functions those that modules commonly use.
# It works as nixpkgs' does; `tests/module-system/` holds it against recorded values of the real one.
let
  extensible =
    make:
    let
      self = make self // {
        extend = overlay: extensible (final: make final // overlay final (make final));
      };
    in
    self;
in
extensible (
  lib:
  let
    load = file: import file { inherit lib; };
    trivial = load ./trivial.nix;
    lists = load ./lists.nix;
    attrsets = load ./attrsets.nix;
    strings = load ./strings.nix;
    deps = load ./deps.nix;
    sources = load ./sources.nix;
    customisation = load ./customisation.nix;
    meta = load ./meta.nix;
    systems = load ./systems.nix;
    options = load ./options.nix;
    modules = load ./modules;
    types = load ./types;
  in
  trivial
  // attrsets
  // sources
  // customisation
  // deps
  // options
  // removeAttrs modules [
    "importApply"
    "importJSON"
  ]
  # Where lists and strings share a name (hasPrefix, replicate), it means the one for strings or for lists as in nixpkgs.
  // strings
  // lists
  // {
    inherit (strings) hasPrefix removePrefix;
    inherit (meta)
      addMetaAttrs
      getExe
      getExe'
      hiPrio
      licenses
      lowPrio
      setPrio
      ;
    inherit (types)
      defaultFunctor
      defaultTypeMerge
      isOptionType
      isType
      mkOptionType
      setType
      ;

    inherit
      trivial
      lists
      attrsets
      strings
      sources
      customisation
      meta
      systems
      options
      modules
      types
      ;
    cli = load ./cli.nix;
    generators = load ./generators.nix;
    platforms = systems.doubles;
    maintainers = { };
    teams = { };
    stringsWithDeps = deps;
    filesystem = { inherit (sources) pathIsDirectory pathIsRegularFile; };
    debug = { inherit (trivial) traceVal traceValSeq; };
    asserts = { inherit (trivial) assertMsg assertOneOf; };
    fixedPoints = {
      inherit (trivial)
        composeExtensions
        composeManyExtensions
        converge
        extends
        fix
        makeExtensible
        makeExtensibleWithCustomName
        ;
    };
    inherit (builtins) compareVersions splitVersion;
    versions = {
      inherit (builtins) compareVersions splitVersion;
      major = version: builtins.elemAt (builtins.splitVersion version) 0;
      minor = version: builtins.elemAt (builtins.splitVersion version) 1;
      patch = version: builtins.elemAt (builtins.splitVersion version) 2;
      majorMinor = version: lib.concatStringsSep "." (lib.take 2 (builtins.splitVersion version));
    };
  }
)
