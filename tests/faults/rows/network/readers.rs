//! People who do not read, ask much at once, or come and go.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::SOON;
use crate::checker::history::{Place, What, Who};
use crate::rig::Rig;
use crate::rig::outcome::{Outcome, Told};
use crate::rig::plan::Plan;
use crate::rig::talker::{Duty, Stage};
use crate::rig::wire::Wire;

/// One of a hundred sessions, or fewer, does not read: only its own is slow, and it gets everything once it reads.
pub(super) async fn deaf(seed: u64) -> Result<Outcome> {
    let mut plan = Plan::new(seed).pinned().sized(2, 8, 1);
    plan.every = Duration::from_millis(60);
    plan.padding = 3_000;
    let mut rig = Rig::start(plan).await?;
    for _ in 0..2 {
        rig.talk_about(200).await?;
        rig.tell(0, Duty::Deaf);
        rig.talk(7_000).await?;
        let back = Instant::now();
        rig.tell(0, Duty::Here);
        rig.whole("it reads again", back, SOON * 3).await?;
    }
    rig.finish(Told::Anything).await
}

/// Rooms of one session.
const MANY: usize = 50;

pub(super) async fn many_requests(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    let door = rig.stage.doors.of(0).context("the first node has a door")?;
    let (mut wire, _) = Wire::open(door, "asker", None).await?;
    for number in 0..MANY {
        let joined = wire
            .answer(
                json!({"type": "join", "room": format!("many {number}")}),
                |_| {},
            )
            .await?;
        ensure!(joined["type"] == "joined", "no join: {joined}");
    }
    for round in 0..3 {
        rig.talk_about(60).await?;
        let mut asked = HashSet::new();
        for number in 0..MANY {
            let room = format!("many {number}");
            for part in 0..10 {
                let key = format!("round-{round}-room-{number}-part-{part}");
                asked.insert(
                    wire.ask(
                        json!({"type": "send", "room": room, "key": key, "text": "one of many"}),
                    )
                    .await?,
                );
            }
            asked.insert(
                wire.ask(json!({"type": "history", "room": room, "limit": 50}))
                    .await?,
            );
        }
        // Nothing is read while others talk.
        rig.talk(200).await?;
        let begun = Instant::now();
        while !asked.is_empty() && begun.elapsed() < Duration::from_secs(20) {
            let Ok(frame) = tokio::time::timeout(SOON, wire.read()).await else {
                break;
            };
            let frame: Value = frame?;
            ensure!(frame["type"] != "error", "a request is refused: {frame}");
            if let Some(id) = frame["id"].as_u64() {
                rig.expect(asked.remove(&id), || format!("a second answer: {frame}"));
            }
        }
        let open = asked.len();
        rig.expect(open == 0, || format!("{open} requests have no answer"));
    }
    rig.finish(Told::Nothing).await
}

/// Memberships of the visitor.
const VISITS: usize = 150;

/// Somebody joins and leaves at once, alone on a node whose subscriber is killed again and again.
pub(super) async fn coming_and_going(seed: u64) -> Result<Outcome> {
    let mut plan = Plan::new(seed).pinned().sized(2, 1, 1);
    plan.every = Duration::from_millis(20);
    let mut rig = Rig::start(plan).await?;
    let door = rig
        .stage
        .doors
        .of(1)
        .context("the second node has a door")?;
    let who = rig.duties.len();
    let visitor = Visitor {
        who,
        room: rig.room_name(0),
        stage: Arc::clone(&rig.stage),
        random: fastrand::Rng::with_seed(seed),
    };
    let (wire, _) = Wire::open(door, "visitor", None).await?;
    rig.accompany(visitor.visit(wire));
    let begun = rig.begun;
    let visits = |rig: &Rig| {
        rig.stage
            .history
            .count_since(begun, |what| matches!(what, What::Left))
    };
    while visits(&rig) < VISITS {
        ensure!(
            begun.elapsed() < Duration::from_secs(60),
            "{} visits in {:?}",
            visits(&rig),
            begun.elapsed()
        );
        let _killed: redis::Value = rig.redis().run(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        let pause = rig.random.u64(0..60);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    rig.whole("the subscriber is left alone", Instant::now(), SOON)
        .await?;
    rig.talk(60).await?;
    rig.finish(Told::Nothing).await
}

/// Somebody who joins and leaves a room, and stays at last.
struct Visitor {
    who: Who,
    room: String,
    stage: Arc<Stage>,
    random: fastrand::Rng,
}

impl Visitor {
    async fn visit(mut self, mut wire: Wire) {
        for _ in 0..VISITS {
            if self.once(&mut wire).await.is_err() {
                return;
            }
        }
        let join = json!({"type": "join", "room": self.room});
        let Ok(_) = wire.ask(join).await else { return };
        while let Ok(frame) = wire.read().await {
            self.hear(&frame);
        }
    }

    async fn once(&mut self, wire: &mut Wire) -> Result<()> {
        wire.ask(json!({"type": "join", "room": self.room})).await?;
        self.hear_until(wire, "joined").await?;
        let end = Instant::now() + Duration::from_millis(self.random.u64(0..=10));
        while let Ok(frame) = tokio::time::timeout_at(end.into(), wire.read()).await {
            self.hear(&frame?);
        }
        wire.ask(json!({"type": "leave", "room": self.room}))
            .await?;
        self.hear_until(wire, "left").await?;
        let pause = self.random.u64(0..=10);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Ok(())
    }

    async fn hear_until(&mut self, wire: &mut Wire, kind: &str) -> Result<()> {
        loop {
            let frame = wire.read().await?;
            self.hear(&frame);
            if frame["type"] == kind {
                return Ok(());
            }
        }
    }

    fn hear(&mut self, frame: &Value) {
        let number = |name: &str| frame[name].as_u64().unwrap_or(0);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let what = match frame["type"].as_str().unwrap_or_default() {
            "joined" => What::Joined { seq: number("seq") },
            "left" => What::Left,
            "message" => What::Shown {
                key: text(&frame["key"]),
                user: text(&frame["user"]["id"]),
                text: text(&frame["text"]),
                place: Place {
                    epoch: text(&frame["epoch"]),
                    seq: number("seq"),
                },
            },
            "gap" => What::Gap {
                from: number("from"),
                to: number("to"),
                reason: text(&frame["reason"]),
            },
            "epoch" => What::Rewound {
                from: number("from"),
            },
            _ => return,
        };
        self.stage.history.note(self.who, 0, what);
    }
}
