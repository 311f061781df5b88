use super::*;

/// The shared files of a fleet with these files, whose hosts are Web and Db.
fn shared(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let dir = tempfile::tempdir().unwrap();
    let base = [
        (
            "flake.nix",
            "{ outputs = inputs: inputs.slipway.lib.mkFleet { inherit inputs; hosts = ./hosts; modules = [ ./modules ]; }; }",
        ),
        ("hosts/Web/default.nix", "{ imports = [ ./disk.nix ../site.nix ]; }"),
        ("hosts/Web/disk.nix", "{ }"),
        ("hosts/Web/data", ""),
        ("hosts/Db/default.nix", "{ }"),
        ("hosts/Db/data", ""),
        ("hosts/site.nix", "{ }"),
        ("modules/default.nix", "{ imports = [ ./nginx ]; }"),
        ("modules/nginx/default.nix", "{ x = ./conf; }"),
        ("modules/nginx/conf/a", ""),
        ("modules/unused.nix", "{ }"),
        ("README.md", ""),
    ];
    let mut all: std::collections::BTreeMap<&str, &str> = base.into();
    all.extend(files.iter().copied());
    for (path, text) in &all {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => std::fs::write(path, text).unwrap(),
        }
    }
    let files: Vec<&str> = all.keys().copied().collect();
    let tree = Tree {
        root: dir.path(),
        files: &files,
    };
    let hosts = ["Db", "Web"].map(HostName::known);
    of_fleet(tree, "hosts", &hosts).map(|reads| reads.shared.into_iter().collect())
}

fn web(text: &str) -> Result<Vec<String>, String> {
    shared(&[("hosts/Web/default.nix", text)])
}

#[test]
fn what_is_imported_is_read_and_the_rest_is_not() {
    assert_eq!(
        shared(&[]).unwrap(),
        [
            "flake.lock",
            "flake.nix",
            "hosts/site.nix",
            "modules/default.nix",
            "modules/nginx/conf/a",
            "modules/nginx/default.nix",
        ]
    );
}

#[test]
fn a_file_that_is_named_is_read_wherever_it_is() {
    let read = web("{ environment.etc.motd.source = ../../README.md; }").unwrap();
    assert!(read.contains(&"README.md".to_owned()));
    let absent = web("{ x = builtins.pathExists ../../local.nix; }").unwrap();
    assert!(absent.contains(&"local.nix".to_owned()));
}

#[test]
fn a_folder_as_data_is_read_as_a_whole() {
    let read = web("{ x = ../../modules; }").unwrap();
    assert!(read.contains(&"modules/unused.nix".to_owned()));
    let interpolated = web("{ x = ../../modules/${name}.nix; }").unwrap();
    assert!(interpolated.contains(&"modules/unused.nix".to_owned()));
}

#[test]
fn another_hosts_folder_is_out_of_bounds() {
    for text in [
        "{ imports = [ ../Db/disk.nix ]; }",
        "{ x = builtins.readFile (./.. + \"/Db\" + \"/data\"); }",
        "{ x = \"${../.}/Db/data\"; }",
        "{ x = ../. + \"/${p}/data\"; }",
        "{ x = ../${p}/data; }",
        "{ x = ./. + \"/../Db/data\"; }",
        "{ x = dirOf ./. + \"/Db\"; }",
        "{ x = inputs.self + \"/hosts/Db\"; }",
        "{ x = nixosConfigurations.Db; }",
        "{ x = ../../.; }",
    ] {
        assert!(web(text).is_err(), "{text}");
    }
    for text in ["{ x = ./hosts; }", "{ x = \"${./.}\"; }"] {
        let flake =
            "{ outputs = inputs: inputs.slipway.lib.mkFleet { modules = [ ./shared.nix ]; }; }";
        let files = [("flake.nix", flake), ("shared.nix", text)];
        assert!(shared(&files).is_err(), "{text}");
    }
}

#[test]
fn links_lead_elsewhere() {
    assert!(shared(&[("hosts/Web/data", "-> ../Db/data")]).is_err());
    assert!(shared(&[("modules/nginx/conf/a", "-> ../../../hosts/Db/data")]).is_err());
}

#[test]
fn a_flake_that_uses_itself_is_not_told() {
    let of = |outputs: &str| shared(&[("flake.nix", outputs)]);
    assert!(
        of("{ outputs = { self, slipway }@inputs: slipway.lib.mkFleet { inherit inputs; }; }")
            .is_ok()
    );
    assert!(of("{ outputs = { self, slipway }@inputs: slipway.lib.mkFleet { modules = [ { x = self.rev; } ]; }; }").is_err());
    assert!(of("{ outputs = inputs: f { modules = [ { x = inputs.self.rev; } ]; }; }").is_err());
}

#[test]
fn nixos_own_folders_are_no_matter() {
    assert!(web("{ x = modulesPath + \"/../lib/make-disk-image.nix\"; }").is_ok());
    assert!(web("{ imports = [ \"${modulesPath}/../lib/x.nix\" ]; }").is_ok());
}

#[test]
fn comments_and_other_words_do_not_count() {
    assert!(web(
        "{ /* nixosConfigurations ../Db */ x = self: super: 1; description = \"a .. b/c\"; }"
    )
    .is_err());
    assert!(web(
        "{ /* nixosConfigurations ../Db */ x = self: super: 1; description = \"a... b/c\"; }"
    )
    .is_ok());
}

#[test]
fn this_repository_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = std::process::Command::new("git")
        .args(["-C"])
        .arg(root)
        .args(["ls-files", "-z"])
        .output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        println!("skip: this copy of the repository has no git");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let mut files: Vec<&str> = text
        .split_terminator('\0')
        .filter(|file| root.join(file).exists())
        .collect();
    files.sort_unstable();
    let tree = Tree {
        root,
        files: &files,
    };
    let hosts: Vec<HostName> = tree
        .below("hosts")
        .filter_map(|file| file.strip_prefix("hosts/")?.strip_suffix("/default.nix"))
        .map(HostName::known)
        .collect();
    assert!(hosts.len() >= 7);
    let reads = of_fleet(tree, "hosts", &hosts).unwrap();
    assert!(reads.shared.contains("modules/common/ssh.nix"));
    assert!(reads.shared.contains("hosts/site.nix"));
    // Hosts run the guard; what only tests it changes none of them.
    assert!(reads.shared.contains("guard/src/main.rs"));
    for unread in [
        "guard/tests/deployments.rs",
        "README.md",
        "xtask/src/main.rs",
        "nix/checks.nix",
        "nix/scenarios.nix",
    ] {
        assert!(!reads.shared.contains(unread), "{unread}");
    }
    // What only a scenario's machines have makes no host's evaluation stale.
    let tests = reads.shared.iter().find(|file| file.starts_with("tests/"));
    assert_eq!(tests, None);
}
