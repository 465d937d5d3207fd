//! The node that answers, and the fleet that it belongs to.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::refusal::Refusal;
use super::openapi::NodeProblems;
use super::query::Query;
use super::{Api, unanswered};
use crate::broker::{FleetNode, Health};
use crate::protocol::{NodeId, SUBPROTOCOL, SessionLimits};
use crate::telemetry::metrics::revision;

/// The node that answers.
#[derive(Serialize, ToSchema)]
struct NodeInfo<'a> {
    /// Always `madang`.
    name: &'static str,
    version: &'static str,
    /// Revision of the source that the program was built from.
    revision: &'static str,
    /// Name of the node in frames and logs.
    #[schema(value_type = String)]
    node: &'a NodeId,
    /// WebSocket subprotocols that it speaks.
    #[schema(value_type = Vec<String>)]
    protocols: [&'static str; 1],
    /// What a session may do.
    limits: SessionLimits,
    /// Sessions open now.
    sessions: i64,
    /// Rooms with members on this node.
    rooms: i64,
    broker: Broker,
}

/// How the node stands with its broker.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Broker {
    /// Not reached yet since the node started.
    Starting,
    /// It works.
    Up,
    /// It was reached before and is not now.
    Down,
}

/// Tells about the node that answers
#[utoipa::path(
    get,
    path = "/node",
    tag = "nodes",
    operation_id = "read_node",
    responses((status = 200, description = "The node.", body = NodeInfo<'_>), NodeProblems),
)]
pub(super) async fn read_node(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    Query::read(query.as_deref(), &[])?;
    let broker = match *api.broker.health().borrow() {
        Health::Starting(_) => Broker::Starting,
        Health::Up => Broker::Up,
        Health::Down(_) => Broker::Down,
    };
    let info = NodeInfo {
        name: env!("CARGO_PKG_NAME"),
        version: crate::VERSION,
        revision: revision(),
        node: &api.node,
        protocols: [SUBPROTOCOL],
        limits: api.told,
        sessions: api.metrics.sessions.get(),
        rooms: api.metrics.rooms.get(),
        broker,
    };
    Ok((super::NO_STORE, Json(info)).into_response())
}

/// The nodes that hold a lease now.
#[derive(Serialize, ToSchema)]
struct Fleet {
    /// By name.
    nodes: Vec<FleetNode>,
}

/// Lists the nodes of the fleet
#[utoipa::path(
    get,
    path = "/fleet",
    tag = "nodes",
    operation_id = "read_fleet",
    responses((status = 200, description = "The nodes of the fleet.", body = Fleet), NodeProblems),
)]
pub(super) async fn read_fleet(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    Query::read(query.as_deref(), &[])?;
    let nodes = api
        .broker
        .fleet()
        .await
        .map_err(|error| unanswered(&error))?;
    Ok((super::NO_STORE, Json(Fleet { nodes })).into_response())
}
