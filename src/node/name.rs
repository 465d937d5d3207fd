//! What a node is called: a name for people, and a tag that tells apart the nodes of one host.

use crate::protocol::{MAX_ID_BYTES, NodeId};

/// Characters of the tag: among the nodes of a fleet two are not alike.
const TAG: usize = 6;

/// Returns the name that was set, else the host's, with a random tag behind it.
pub(super) fn choose(set: Option<&str>) -> NodeId {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = set.map(str::to_owned).or_else(host).unwrap_or_default();
    let name: String = name
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c))
        .take(MAX_ID_BYTES - TAG - 1)
        .collect();
    let name = if name.is_empty() { "node" } else { &name };
    let random = NodeId::random();
    let tag: String = random
        .as_str()
        .to_lowercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(TAG)
        .collect();
    NodeId::parse(&format!("{name}-{tag}")).unwrap_or(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_differ() {
        let long = "x".repeat(200);
        let (one, two) = (choose(Some(&long)), choose(Some(&long)));
        assert!(one.as_str().len() <= MAX_ID_BYTES);
        assert_ne!(one, two);
        assert!(choose(Some("한글")).as_str().starts_with("node-"));
    }
}
