//! Nodes of another fleet on the same part of Redis.
//!
//! Two deployments with one `redis.prefix` have the same rooms and people, mostly by mistake. Nothing else tells: both
//! work. A lease says which fleet its node belongs to, so that a node sees others there. It says so and goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::broker::{FleetNode, Health, SharedBroker};
use crate::telemetry::Metrics;

/// Names of nodes that a sentence holds, at most.
const MAX_NAMES: usize = 3;

/// Looks for as long as the node lives; `own` is the setting `fleet.name`, `every` the time between two looks.
pub async fn watch(
    broker: SharedBroker,
    own: String,
    prefix: String,
    every: Duration,
    metrics: Arc<Metrics>,
) {
    let mut told = Vec::new();
    let mut health = broker.health();
    while health
        .wait_for(|health| *health == Health::Up)
        .await
        .is_ok()
    {
        if let Ok(nodes) = broker.fleet().await {
            let conflicts = metrics.fleet_conflicts.with_label_values(&["prefix"]);
            let strangers = nodes.iter().filter(|node| is_stranger(node, &own));
            conflicts.set(i64::try_from(strangers.count()).unwrap_or(i64::MAX));
            let sentences = sentences(&nodes, &own, &prefix);
            if sentences != told {
                for sentence in &sentences {
                    tracing::warn!(reason = "prefix", "{sentence}");
                }
                if sentences.is_empty() {
                    tracing::info!("no other fleet uses redis.prefix {prefix} any more");
                }
                told = sentences;
            }
        }
        sleep(every).await;
    }
}

/// Returns one sentence for each other fleet that has nodes among these.
#[must_use]
pub fn sentences(nodes: &[FleetNode], own: &str, prefix: &str) -> Vec<String> {
    let mut fleets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in nodes.iter().filter(|node| is_stranger(node, own)) {
        fleets
            .entry(&node.fleet)
            .or_default()
            .push(node.node.as_str());
    }
    fleets
        .iter()
        .map(|(fleet, names)| sentence(fleet, names, own, prefix))
        .collect()
}

fn sentence(fleet: &str, names: &[&str], own: &str, prefix: &str) -> String {
    let shown = names[..names.len().min(MAX_NAMES)].join(", ");
    let more = match names.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "the fleet {fleet} ({shown}{more}) uses redis.prefix {prefix} as {own} does, so both have the same rooms and people: \
         set another redis.prefix for one of them, or the same fleet.name for both if they are one"
    )
}

/// Nodes that do not say where they belong are of an older version, or nobody has named their fleet.
fn is_stranger(node: &FleetNode, own: &str) -> bool {
    !own.is_empty() && !node.fleet.is_empty() && node.fleet != own && !node.leaving
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::NodeId;

    fn node(name: &str, fleet: &str) -> FleetNode {
        FleetNode {
            fleet: fleet.to_owned(),
            ..FleetNode::new(NodeId::parse(name).unwrap())
        }
    }

    #[test]
    fn every_other_fleet_is_named_with_the_remedy() {
        let leaving = FleetNode {
            leaving: true,
            ..node("gone", "yard/gone")
        };
        let mut nodes = vec![node("own", "yard/one"), node("old", ""), leaving];
        assert_eq!(sentences(&nodes, "yard/one", "p"), Vec::<String>::new());
        nodes.extend(["a", "b", "c", "d"].map(|name| node(name, "yard/two")));
        nodes.push(node("e", "yard/three"));
        let told = sentences(&nodes, "yard/one", "p");
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("the fleet yard/three (e) uses redis.prefix p"));
        assert!(
            told[1].contains("yard/two (a, b, c and 1 more)"),
            "{told:?}"
        );
        assert!(told[1].contains("set another redis.prefix"), "{told:?}");
        assert_eq!(sentences(&nodes, "", "p"), Vec::<String>::new());
    }
}
