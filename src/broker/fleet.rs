//! Which nodes there are.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::protocol::NodeId;

/// What a node tells the fleet of itself, from its lease.
///
/// A field that the version which wrote it did not have, or meant otherwise, has its default; only the name must be
/// there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FleetNode {
    /// Name in logs and frames, unlike that of every other node.
    #[schema(value_type = String)]
    pub node: NodeId,
    /// When the process began, in Unix milliseconds.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(required = true)]
    pub start: u64,
    /// Name of the fleet that it belongs to, the setting `fleet.name`; empty if nobody has named it.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(required = true)]
    pub fleet: String,
    /// Version of the program.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(required = true)]
    pub version: String,
    /// What nodes of one rollout share: the pod template's hash, empty outside of Kubernetes.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(required = true)]
    pub generation: String,
    /// Name of the pod, empty outside of Kubernetes.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(required = true)]
    pub pod: String,
    /// Where other nodes reach its internal port; empty if they cannot.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(required = true)]
    pub address: String,
    /// Sessions that it takes, 0 for no limit.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(required = true)]
    pub capacity: u64,
    /// Sessions open when it last renewed its lease: a third of the setting `fleet.lease` ago at most, if all is well.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(required = true)]
    pub sessions: u64,
    /// Whether it drains or has stopped; the lease of one that stopped ends within the setting `fleet.debounce`.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(required = true)]
    pub leaving: bool,
}

impl FleetNode {
    /// Makes a node that tells no more than its name.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            start: 0,
            fleet: String::new(),
            version: String::new(),
            generation: String::new(),
            pod: String::new(),
            address: String::new(),
            capacity: 0,
            sessions: 0,
            leaving: false,
        }
    }

    /// Returns the same node with what changes while it lives.
    pub(super) fn at(&self, sessions: i64, leaving: bool) -> Self {
        Self {
            // A gauge may be below 0 for a moment, a number of sessions not.
            sessions: u64::try_from(sessions).unwrap_or_default(),
            leaving,
            ..self.clone()
        }
    }
}

/// Reads a value, or takes the default for one of another type.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<FleetNode> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn reads_what_it_wrote() {
        let node = FleetNode {
            start: 1_700_000_000_000,
            fleet: "yard/madang".to_owned(),
            version: "1.2.3".to_owned(),
            generation: "5d4f".to_owned(),
            pod: "madang-0".to_owned(),
            address: "[fd00::1]:9090".to_owned(),
            capacity: 10_000,
            ..FleetNode::new(NodeId::parse("n\"1").unwrap())
        }
        .at(7, true);
        let json = serde_json::to_string(&node).unwrap();
        assert_eq!(read(&json), Some(node));
    }

    #[test]
    fn reads_other_versions_as_far_as_it_can() {
        let bare = FleetNode::new(NodeId::parse("n1").unwrap());
        assert_eq!(read(r#"{"node":"n1"}"#), Some(bare.clone()));
        let json = r#"{"zone":{"a":[1]},"node":"n1","version":"9","sessions":-1,"capacity":null,"start":5}"#;
        let read_as = FleetNode {
            start: 5,
            version: "9".to_owned(),
            ..bare
        };
        assert_eq!(read(json), Some(read_as));
        for nameless in [
            "",
            "gibberish",
            "[]",
            "{}",
            r#"{"node":""}"#,
            r#"{"node":1}"#,
        ] {
            assert_eq!(read(nameless), None, "{nameless}");
        }
    }

    #[test]
    fn sessions_are_never_below_zero() {
        let node = FleetNode::new(NodeId::random());
        assert_eq!(node.at(-1, false), node);
    }
}
