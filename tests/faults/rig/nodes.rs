//! The nodes of a rig: how they come and go.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use anyhow::{Context as _, Result};

use super::process::{self, Process};
use super::proxy::Proxy;
use super::{NodeSlot, POLL, Rig};

impl Rig {
    /// Starts another node and waits until it is ready.
    pub(crate) async fn add_node(&mut self) -> Result<usize> {
        let port = self.redis_port()?;
        let target = port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let back = Proxy::start(target).await?;
        let front = Proxy::start(None).await?;
        let node = self.nodes.len();
        self.nodes.push(NodeSlot {
            process: None,
            back,
            front,
        });
        let internals = Arc::clone(&self.internals);
        internals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(None);
        self.start_node(node).await?;
        let stage = Arc::clone(&self.stage);
        self.polls.spawn(async move {
            loop {
                let address = internals.lock().unwrap_or_else(PoisonError::into_inner)[node];
                if let Some(address) = address {
                    let answer = process::ask(address, "/readyz").await;
                    stage
                        .doors
                        .says(node, answer.is_ok_and(|(status, _)| status == 200));
                }
                tokio::time::sleep(POLL).await;
            }
        });
        Ok(node)
    }

    /// Starts the process of a node that is gone, or was never there, and waits until it is ready.
    pub(crate) async fn start_node(&mut self, node: usize) -> Result<()> {
        let url = self.url_of(node)?;
        let mut variables = self.plan.variables.clone();
        variables.extend(self.plan.of_node.get(node).cloned().unwrap_or_default());
        variables.push(("MADANG_REDIS__URL".to_owned(), url));
        variables.push(("MADANG_SERVER__NODE_NAME".to_owned(), format!("node{node}")));
        let process = Process::start(&variables).await?;
        let (address, internal) = (process.address, process.internal);
        let slot = &mut self.nodes[node];
        slot.front.lead_to(address);
        slot.process = Some(process);
        self.wait_async("the node is ready", || async move {
            process::ask(internal, "/readyz")
                .await
                .is_ok_and(|(status, _)| status == 200)
        })
        .await?;
        self.internals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)[node] = Some(internal);
        self.stage
            .doors
            .open(node, self.nodes[node].front.address(), address);
        Ok(())
    }

    /// Kills the process of a node; nobody is sent there any more.
    pub(crate) fn kill_node(&mut self, node: usize) {
        self.close_door(node);
        self.nodes[node].process = None;
    }

    /// Stops a node in order: people are sent elsewhere once it says that it is not ready. Returns its exit code.
    pub(crate) async fn stop_node(&mut self, node: usize) -> Result<Option<i32>> {
        let code = self.nodes[node].process()?.stop().await;
        self.kill_node(node);
        code
    }

    /// Sends nobody to a node any more, and asks it nothing.
    pub(crate) fn close_door(&self, node: usize) {
        self.stage.doors.close(node);
        self.internals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)[node] = None;
    }

    fn redis_port(&self) -> Result<Option<u16>> {
        let Some(redis) = &self.redis else {
            return Ok(None);
        };
        let url = redis.own_url();
        let (_, port) = url
            .rsplit_once(':')
            .context("the URL of Redis has a port")?;
        Ok(Some(port.parse()?))
    }

    /// Returns the URL of a node's Redis: the one that the row brings, or the way through the node's proxy.
    fn url_of(&self, node: usize) -> Result<String> {
        let Some(redis) = &self.redis else {
            let url = self.plan.urls.get(node).or(self.plan.urls.last());
            return url.cloned().context("the row brings a Redis");
        };
        let url = redis.url();
        let (start, _) = url
            .rsplit_once(':')
            .context("the URL of Redis has a port")?;
        Ok(format!(
            "{start}:{}",
            self.nodes[node].back.address().port()
        ))
    }
}
