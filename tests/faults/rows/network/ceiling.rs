//! Who does not read: it costs itself, and a bounded amount of memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use crate::rig::Rig;
use crate::rig::crowd::{Crowd, Place};
use crate::rig::outcome::{Outcome, Told};
use crate::rig::plan::Plan;
use crate::rig::wire::Wire;

const READERS: usize = 1_800;
const DEAF: usize = 200;
/// Rooms of those who do not read.
const ROOMS: usize = 5;
const MIB: u64 = 1024 * 1024;
/// What `docs/guarantees.md` names: 64 MiB for the node, 32 KiB for each session, and `limits.outbox_bytes` for each that
/// does not read.
const CEILING: u64 = 64 * MIB + (READERS + DEAF) as u64 * 32 * 1024 + DEAF as u64 * MIB;
/// How long what the systems at both ends keep may take to fill.
const PATIENCE: Duration = Duration::from_secs(100);

pub(super) async fn many_deaf(seed: u64) -> Result<Outcome> {
    let mut plan = Plan::new(seed)
        .sized(1, 4, 4)
        .set("limits.text", "60000")
        .set("limits.frame_bytes", "1MiB");
    plan.every = Duration::from_millis(800);
    let mut rig = Rig::start(plan).await?;
    let rooms: Vec<String> = (0..rig.plan.rooms)
        .map(|room| rig.room_name(room))
        .collect();
    let crowd = Crowd::come(&mut rig, READERS, |number| Place {
        room: Some(rooms[number % rooms.len()].clone()),
        first: 0,
        is_sticky: false,
    })
    .await?;
    let address = rig.nodes[0].process()?.address;
    let room = |number: usize| format!("deaf {}", number % ROOMS);
    let mut wires = Vec::new();
    for number in 0..DEAF {
        let mut wire = Wire::dial_narrow(address).await?;
        wire.write(&json!({"type": "hello", "name": "deaf"}))
            .await?;
        let join = json!({"type": "join", "id": 1, "room": room(number)});
        wire.write(&join).await?;
        wires.push(wire);
    }
    let mut speakers = JoinSet::new();
    for number in 0..ROOMS {
        let room = room(number);
        speakers.spawn(async move { speak(address, &room).await });
    }
    let begun = Instant::now();
    // Each counts once for the time that its outbox is full.
    while rig.nodes[0]
        .process()?
        .metric("madang_outbox_overflows_total")
        .await?
        < DEAF as f64
    {
        ensure!(
            begun.elapsed() < PATIENCE,
            "outboxes are not full after {PATIENCE:?}"
        );
        if let Some(end) = speakers.try_join_next() {
            end??;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // More comes for those whose outbox is full, and everybody else hears what is said as ever.
    let since = Instant::now();
    rig.talk(rig.plan.talkers * 4).await?;
    rig.whole(
        "beside those who do not read",
        since,
        Duration::from_secs(3),
    )
    .await?;
    let peak = rig.nodes[0].process()?.peak_memory()?;
    rig.expect(peak <= CEILING, || {
        format!(
            "{} MiB were resident, where {} are promised",
            peak / MIB,
            CEILING / MIB
        )
    });
    println!(
        "200-of-2000-do-not-read: {} MiB resident at most, of {}",
        peak / MIB,
        CEILING / MIB
    );
    speakers.shutdown().await;
    drop(wires);
    crowd.judge(&mut rig);
    rig.finish(Told::Nothing).await
}

/// Says long things, one after the other, until it is ended.
async fn speak(address: SocketAddr, room: &str) -> Result<()> {
    let hello = json!({"type": "hello", "name": "speaker"});
    let mut wire = Wire::dial(address).await?;
    wire.write(&hello).await?;
    wire.answer(json!({"type": "join", "room": room}), drop)
        .await?;
    let text = "가".repeat(20_000);
    for number in 0_u64.. {
        let key = format!("{room} {number}");
        let send = json!({"type": "send", "room": room, "text": text, "key": key});
        let answer = wire.answer(send, drop).await?;
        ensure!(answer["type"] == "sent", "refused: {answer}");
    }
    Ok(())
}
