//! What the nodes have counted, read from their internal listeners.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::fleet::ask;

/// The messages that a node has accepted since it started.
const ACCEPTED: &str = "madang_messages_accepted_total ";
/// Time for one node.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The messages that each node has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// What was asked for.
    internal: String,
    nodes: BTreeMap<SocketAddr, u64>,
    /// Why an address is not among the nodes.
    silent: Vec<String>,
}

impl Counted {
    /// Asks each address of a name. One that does not answer is no error yet: the name of a leaving node stays a while.
    ///
    /// # Errors
    /// The name has no address, or is none.
    pub(super) async fn read(internal: &str) -> Result<Self, String> {
        let addresses = tokio::net::lookup_host(internal)
            .await
            .map_err(|error| format!("{internal} leads to no node: {error}"))?;
        let mut counted = Self {
            internal: internal.to_owned(),
            nodes: BTreeMap::new(),
            silent: Vec::new(),
        };
        for address in addresses {
            match accepted(address).await {
                Ok(count) => drop(counted.nodes.insert(address, count)),
                Err(why) => counted.silent.push(why),
            }
        }
        Ok(counted)
    }

    /// Checks that there are at least so many nodes, and that they have counted at least so many messages since `before`.
    ///
    /// # Errors
    /// What is missing.
    pub(super) fn check(&self, before: &Self, nodes: usize, messages: u64) -> Result<(), String> {
        if self.nodes.len() < nodes {
            return Err(format!(
                "{} leads to metrics of {} nodes, not of {nodes}: {}",
                self.internal,
                self.nodes.len(),
                self.silent.join("; "),
            ));
        }
        let more = |(address, count): (&SocketAddr, &u64)| {
            count.saturating_sub(before.nodes.get(address).copied().unwrap_or_default())
        };
        let counted: u64 = self.nodes.iter().map(more).sum();
        if counted < messages {
            return Err(format!(
                "the nodes behind {} have counted {counted} messages, but accepted {messages}",
                self.internal
            ));
        }
        Ok(())
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} nodes behind {}",
            self.nodes.len(),
            self.internal
        )
    }
}

async fn accepted(address: SocketAddr) -> Result<u64, String> {
    let answer = tokio::time::timeout(TIMEOUT, ask::get(address, "/metrics"))
        .await
        .map_err(|_| format!("{address} does not answer within {} s", TIMEOUT.as_secs()))??;
    answer
        .body
        .lines()
        .find_map(|line| line.strip_prefix(ACCEPTED)?.trim().parse().ok())
        .filter(|_| answer.status == 200)
        .ok_or_else(|| {
            format!(
                "{address}/metrics, status {}, has no {ACCEPTED}",
                answer.status
            )
        })
}
