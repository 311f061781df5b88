# Folders of the source tree with a filter over what enters the store.
{ lib }:
let
  inherit (builtins)
    any
    match
    pathExists
    readFileType
    ;
  inherit (lib) hasPrefix hasSuffix removePrefix;

  # A source that was filtered before keeps its filter.
  unwrap =
    src:
    if src ? _isLibCleanSourceWith then
      src
    else
      {
        origSrc = src;
        filter = _: _: true;
        name = "source";
      };
in
rec {
  cleanSourceWith =
    {
      src,
      filter ? _: _: true,
      name ? null,
    }:
    let
      inner = unwrap src;
      both = path: type: filter path type && inner.filter path type;
      chosen = if name == null then inner.name else name;
    in
    {
      _isLibCleanSourceWith = true;
      inherit (inner) origSrc;
      filter = both;
      name = chosen;
      outPath = builtins.path {
        filter = both;
        path = inner.origSrc;
        name = chosen;
      };
    };

  # Without what version control, editors and builds leave behind.
  cleanSourceFilter =
    path: type:
    let
      name = baseNameOf path;
    in
    !(
      name == ".git"
      ||
        type == "directory"
        && builtins.elem name [
          ".svn"
          "CVS"
          ".hg"
          ".jj"
          ".pijul"
          "_darcs"
        ]
      || type == "symlink" && hasPrefix "result" name
      || type == "unknown"
      || any (suffix: hasSuffix suffix name) [
        "~"
        ".o"
        ".so"
      ]
      || match "^\\.(.*\\.)?sw[a-z]$" name != null
    );

  cleanSource =
    src:
    cleanSourceWith {
      filter = cleanSourceFilter;
      inherit src;
    };

  sourceByRegex =
    src: patterns:
    let
      root = "${toString (unwrap src).origSrc}/";
    in
    cleanSourceWith {
      filter = path: _: any (pattern: match pattern (removePrefix root path) != null) patterns;
      inherit src;
    };

  sourceFilesBySuffices =
    src: suffixes:
    cleanSourceWith {
      filter = path: type: type == "directory" || any (suffix: hasSuffix suffix path) suffixes;
      inherit src;
    };

  pathIsDirectory = path: pathExists path && readFileType path == "directory";
  pathIsRegularFile = path: pathExists path && readFileType path == "regular";
}
