//! Makes one host's default.nix another's. Works on lines, as a person would; whoever calls it evaluates the result.

use crate::fleet::host::HostName;
use crate::format::{self, Formatting};

/// The text of the new host: its own comment, description and address, and deployable.
pub fn host(text: &str, name: &HostName, address: &str) -> String {
    let target = format!("targetHost = \"{address}\";");
    let mut lines: Vec<String> = vec![format!("# {name}: what it is for is yet to be said.")];
    let mut placed = false;
    let mut in_deploy = false;
    let mut in_keys = false;
    for line in text.lines().skip_while(|line| line.starts_with('#')) {
        let trimmed = line.trim();
        if in_keys {
            in_keys = trimmed != "];";
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let mut put = |text: String| lines.push(format!("{indent}{text}"));
        if let Some(path) = assigned(trimmed, "targetHost") {
            put(format!("{path}{target}"));
            placed = true;
        } else if let Some(path) = assigned(trimmed, "deploy.enable") {
            // Deployable is the default, and the line is where the address belongs.
            if !placed && !text.contains("targetHost =") {
                put(format!("{path}deploy.{target}"));
                placed = true;
            }
        } else if let Some(path) = assigned(trimmed, "hostKeys")
            .or_else(|| opened(trimmed, "hostKeys"))
            .filter(|path| path.is_empty() || path.ends_with("deploy."))
        {
            // The keys of the other host's sshd are none of this one's, and would be accepted in their place.
            put(format!("{path}hostKeys = [ ];"));
            in_keys = !trimmed.ends_with(';');
        } else if assigned(trimmed, "image.enable").is_some() {
            // An image is made of what is common to all hosts, not of each of them.
        } else if let Some(path) = assigned(trimmed, "host.description") {
            put(format!("{path}host.description = \"{name}\";"));
        } else if in_deploy && trimmed == "enable = false;" {
        } else {
            if trimmed.ends_with("deploy = {") {
                in_deploy = true;
                lines.push(line.to_owned());
                if !text.contains("targetHost =") {
                    lines.push(target.clone());
                    placed = true;
                }
                continue;
            }
            if trimmed == "};" {
                in_deploy = false;
            }
            lines.push(line.to_owned());
        }
    }
    if !placed {
        place(&mut lines, &target);
    }
    let text = format!("{}\n", lines.join("\n"));
    // What is no Nix is told by the evaluation, with file and line.
    match format::examine(&text) {
        Formatting::Differs(formatted) => formatted,
        Formatting::Unchanged | Formatting::Unreadable { .. } => text,
    }
}

/// The path before `field` in a whole assignment on one line: `homelab.` in `homelab.deploy.enable = false;`.
fn assigned<'a>(line: &'a str, field: &str) -> Option<&'a str> {
    let (before, value) = split(line, field)?;
    value.ends_with(';').then_some(before)
}

/// The same of a list that goes on below: `homelab.deploy.` in `homelab.deploy.hostKeys = [`.
fn opened<'a>(line: &'a str, field: &str) -> Option<&'a str> {
    let (before, value) = split(line, field)?;
    (value == "[").then_some(before)
}

fn split<'a>(line: &'a str, field: &str) -> Option<(&'a str, &'a str)> {
    let (path, value) = line.split_once(" = ")?;
    let before = path.strip_suffix(field)?;
    let own = before.is_empty() || before.ends_with('.');
    (own && !before.contains(['#', ' '])).then_some((before, value))
}

/// Into the set of `homelab`, else into the module itself.
fn place(lines: &mut Vec<String>, target: &str) {
    if let Some(at) = lines.iter().position(|line| line.trim() == "homelab = {") {
        lines.insert(at + 1, format!("deploy.{target}"));
    } else if let Some(at) = lines.iter().position(|line| line == "{") {
        lines.insert(at + 1, format!("homelab.deploy.{target}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str) -> String {
        host(text, &HostName::known("Web"), "10.0.0.5")
    }

    #[test]
    fn the_template_becomes_deployable() {
        let text = edited(
            "# What a new machine is installed with.\n# Two lines.\n{\n  homelab = {\n    host.description = \"Base image\";\n    deploy.enable = false;\n    image.enable = true;\n  };\n}\n",
        );
        insta::assert_snapshot!(text, @r#"
        # Web: what it is for is yet to be said.
        {
          homelab = {
            host.description = "Web";
            deploy.targetHost = "10.0.0.5";
          };
        }
        "#);
    }

    #[test]
    fn keys_of_the_other_host_are_left_out_on_however_many_lines_they_stand() {
        let text = edited(
            "{\n  homelab.deploy = {\n    targetHost = \"192.168.0.92\";\n    hostKeys = [\n      \"ssh-ed25519 AAAA\"\n      \"ssh-rsa AAAA\"\n    ];\n    wave = 2;\n  };\n  services.openssh.hostKeys = [ { path = \"/k\"; } ];\n}\n",
        );
        assert!(text.contains("hostKeys = [ ];\n    wave = 2;"), "{text}");
        assert!(!text.contains("AAAA"), "{text}");
        // NixOS has an option of that name, too.
        assert!(text.contains("/k"), "{text}");
    }

    #[test]
    fn an_address_is_replaced_where_it_stands() {
        let text = edited(
            "{ config, ... }:\n{\n  homelab = {\n    deploy = {\n      targetHost = \"192.168.0.92\";\n      hostKeys = [ \"ssh-ed25519 AAAA\" ];\n      wave = 0;\n    };\n  };\n  services.x.description = \"kept\";\n}\n",
        );
        insta::assert_snapshot!(text, @r#"
        # Web: what it is for is yet to be said.
        { config, ... }:
        {
          homelab = {
            deploy = {
              targetHost = "10.0.0.5";
              hostKeys = [ ];
              wave = 0;
            };
          };
          services.x.description = "kept";
        }
        "#);
    }

    #[test]
    fn a_file_that_sets_nothing_of_it_gets_it() {
        assert!(edited("{\n  networking.x = 1;\n}\n")
            .contains("homelab.deploy.targetHost = \"10.0.0.5\";"));
        assert!(edited("{\n  homelab = {\n    a = 1;\n  };\n}\n")
            .contains("    deploy.targetHost = \"10.0.0.5\";"));
        let disabled =
            edited("{\n  homelab.deploy = {\n    enable = false;\n    wave = 1;\n  };\n}\n");
        assert!(!disabled.contains("enable"), "{disabled}");
        assert!(
            disabled.contains("    targetHost = \"10.0.0.5\";"),
            "{disabled}"
        );
    }
}
