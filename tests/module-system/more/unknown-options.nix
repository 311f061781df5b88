# Definitions that no option takes.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  unknown-deep = cfg [
    { options.a.b.c = optD types.int 1; }
    { a.b.d.e = 1; }
  ];
  unknown-group = cfg [
    { options.a.b = optD types.int 1; }
    { c.d = 1; }
  ];
  unknown-quoted = cfg [
    { options.a = optD types.int 1; }
    { "b c".d = 1; }
  ];
  unknown-in-attrsof-sub = cfg [
    {
      options.s = opt (
        types.attrsOf (sub {
          a = optD types.int 0;
        })
      );
    }
    { s.web.b = 1; }
  ];
  unknown-in-attrsof-sub-quoted = cfg [
    {
      options.s = opt (
        types.attrsOf (sub {
          a = optD types.int 0;
        })
      );
    }
    { s."web.example".b = 1; }
  ];
  unknown-in-listof-sub = cfg [
    {
      options.x = opt (
        types.listOf (sub {
          a = optD types.int 0;
        })
      );
    }
    { x = [ { y = 1; } ]; }
  ];
  unknown-in-nested-sub = cfg [
    {
      options.s = opt (sub {
        t = opt (sub {
          a = optD types.int 0;
        });
      });
    }
    { s.t.b = 1; }
  ];
  unknown-in-nullor-sub = cfg [
    {
      options.s = opt (
        types.nullOr (sub {
          a = optD types.int 0;
        })
      );
    }
    { s.b = 1; }
  ];
  unknown-no-options = cfg [ { x = 1; } ];
  unknown-no-options-sub = cfg [
    { options.s = opt (types.submodule { }); }
    { s.b = 1; }
  ];
  unknown-second-file = cfg [
    str
    (file "/etc/a.nix" { x = "a"; })
    (file "/etc/b.nix" { yy = 1; })
  ];
  unknown-value-never-forced = cfg [
    str
    {
      x = "a";
      y = throw "never";
    }
  ];
  unknown-check-off-in-sub = cfg [
    {
      options.s = opt (sub {
        a = optD types.int 0;
      });
    }
    {
      s = {
        _module.check = false;
        b = 1;
      };
    }
  ];
  unknown-check-force = cfg [
    int
    { _module.check = false; }
    {
      _module.check = mkForce true;
      x = 1;
      z = 1;
    }
  ];
  unknown-two-paths = cfg [
    { options.a.b = optD types.int 0; }
    {
      a.c = 1;
      a.d = 2;
    }
  ];
  unknown-in-mkmerge = cfg [
    int
    {
      config = mkMerge [
        { x = 1; }
        { q = 2; }
      ];
    }
  ];
  unknown-in-mkif-group = cfg [
    { options.a.b = optD types.int 0; }
    { a = mkIf false { c = 1; }; }
  ];
  unknown-in-function-to =
    (cfg [
      {
        options.x = opt (
          types.functionTo (sub {
            a = optD types.int 0;
          })
        );
      }
      { x = _: { b = 1; }; }
    ]).x
      1;
  unknown-args-not-passed = cfg [
    int
    ({ nothere, ... }: { x = nothere; })
  ];
  unknown-attr-beside-options = cfg [
    {
      options.x = opt types.int;
      x = 1;
    }
  ];
  unknown-attr-beside-config = cfg [
    int
    {
      config.x = 1;
      y = 2;
    }
  ];
  unknown-unless-read =
    (eval [
      int
      {
        x = 1;
        y = 2;
      }
    ]).type.name;
}
