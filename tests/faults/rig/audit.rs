//! Reads each room's log at the end, as a node gives it to a newcomer.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Rig;
use super::wire::Wire;
use crate::checker::history::{Place, RoomIndex};
use crate::checker::verdict::Logged;

/// Entries of one page.
const PAGE: u64 = 200;

/// Returns what the logs of all rooms hold.
pub(crate) async fn logs(rig: &Rig) -> Result<HashMap<RoomIndex, Vec<Logged>>> {
    let mut random = rig.random.clone();
    let door = rig
        .stage
        .doors
        .any(&mut random)
        .context("no node is left")?;
    let mut logs = HashMap::new();
    for room in 0..rig.plan.rooms {
        // A session per room: nothing of the others is in its way.
        let (mut wire, _) = Wire::open(door, "auditor", None).await?;
        logs.insert(room, of_room(&mut wire, &rig.room_name(room)).await?);
    }
    Ok(logs)
}

/// Reads one room from its newest entry to its oldest.
pub(crate) async fn of_room(wire: &mut Wire, room: &str) -> Result<Vec<Logged>> {
    let joined = wire
        .answer(json!({"type": "join", "room": room}), |_| {})
        .await?;
    ensure!(
        joined["type"] == "joined",
        "the auditor may not join: {joined}"
    );
    let mut before: Option<Value> = None;
    let mut log = Vec::new();
    loop {
        let mut ask = json!({"type": "history", "room": room, "limit": PAGE});
        if let Some(before) = before {
            ask["before"] = before;
        }
        let page = wire.answer(ask, |_| {}).await?;
        ensure!(page["type"] == "history", "no page of the log: {page}");
        let messages = page["messages"].as_array().context("a page has messages")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        log.extend(messages.iter().rev().map(|message| Logged {
            place: Place {
                epoch: text(&message["epoch"]),
                seq: message["seq"].as_u64().unwrap_or(0),
            },
            key: text(&message["key"]),
            text: text(&message["text"]),
        }));
        match messages.first() {
            Some(first) if page["more"] == true => {
                before = Some(json!({"epoch": first["epoch"], "seq": first["seq"]}));
            }
            _ => break,
        }
    }
    log.reverse();
    Ok(log)
}
