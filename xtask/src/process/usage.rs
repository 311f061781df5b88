//! What processes take: resident memory, from /proc.

use super::tree::{processes, tree};

/// Resident bytes of one process; none if it is gone.
pub fn resident(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    field(&status, "VmRSS:")
}

/// Resident bytes of a process and all that descend from it.
pub fn resident_tree(root: i32) -> u64 {
    let tree = tree(root, &processes());
    tree.into_iter().filter_map(resident).sum()
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_and_its_children_are_counted() {
        let own = i32::try_from(std::process::id()).unwrap();
        let alone = resident(own).unwrap();
        assert!(alone > 1 << 20, "{alone}");
        assert!(resident_tree(own) >= alone / 2);
        assert_eq!(resident(-1), None);
    }
}
