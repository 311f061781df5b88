//! Which processes there are, and which descend from which, from /proc.

use std::collections::BTreeMap;

pub struct Process {
    pub parent: i32,
    /// It has ended, and nobody has waited for it yet.
    pub ended: bool,
}

/// All of this machine, by their numbers; those that cannot be read are left out.
pub fn processes() -> BTreeMap<i32, Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name in parentheses may hold anything: the fields count from the last one on.
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            let ended = matches!(fields.next()?, "Z" | "X");
            let parent = fields.next()?.parse().ok()?;
            Some((pid, Process { parent, ended }))
        })
        .collect()
}

/// A process and all that descend from it, parents before their children.
pub fn tree(root: i32, all: &BTreeMap<i32, Process>) -> Vec<i32> {
    let mut tree = vec![root];
    let mut index = 0;
    while let Some(&parent) = tree.get(index) {
        tree.extend(
            all.iter()
                .filter(|(_, process)| process.parent == parent)
                .map(|(pid, _)| *pid),
        );
        index += 1;
    }
    tree
}
