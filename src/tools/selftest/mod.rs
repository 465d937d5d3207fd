//! `madang selftest`: two people talk through a fleet, from outside, as their pages would.
//!
//! It opens sessions until two of them are on different nodes, has one say something and the other hear it, cuts a
//! session and lets it catch up on another one, and sends a message twice; then it reads the metrics of the nodes, which
//! must have counted that. It prints a line for each step and leaves nothing behind but a few messages in a room with a
//! random name, which expire with it. `helm test` runs it.

mod counted;
mod person;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use serde_json::json;

use super::dial;
use crate::protocol::Key;
use counted::Counted;
use person::{LET_GO, Person};

/// Time for the whole test, once its sessions are open.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Sessions that are opened in one go to meet as many nodes as asked for.
const DIALS: usize = 40;
/// Time between two tries to meet nodes that are not there yet.
const PAUSE: Duration = Duration::from_secs(1);
/// Times that the story is told if nodes hand the sessions over meanwhile.
const TRIES: u32 = 5;
/// Messages that are missed and caught up with.
const MISSED: u64 = 5;
/// Messages that are accepted in all, the one that is sent twice counting once.
const ACCEPTED: u64 = MISSED + 3;

/// What is tested.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where sessions are opened: `http://chat:8080`.
    pub url: String,
    /// On how many nodes sessions must meet: 2, or 1 where there is one node only.
    pub nodes: usize,
    /// How long nodes may take to be there: after an installation they start.
    pub patience: Duration,
    /// Host and port that lead to the internal listeners of all nodes, whose metrics are then read too.
    pub internal: Option<String>,
}

/// Runs the test.
///
/// # Errors
/// What did not work, one sentence for a person.
pub async fn run(options: &Options) -> Result<(), String> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut step = Step::begin();
        let (ann, ben) = meet(options).await?;
        step.done(&format!("sessions on {} and {}", ann.node, ben.node));
        let story = tokio::time::timeout(TIMEOUT, play(options, ann, ben, step)).await;
        match story {
            // Nodes that leave or have too many sessions do this to anybody; it is not what is tested.
            Ok(Err(why)) if why.starts_with(LET_GO) && tries < TRIES => println!("again: {why}"),
            Ok(done) => return done,
            Err(_) => return Err(format!("not done after {} s", TIMEOUT.as_secs())),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn play(
    options: &Options,
    mut ann: Person,
    mut ben: Person,
    mut step: Step,
) -> Result<(), String> {
    // In the spelling that nodes give it back in.
    let room = format!("selftest {}", Key::random()).to_lowercase();
    let before = match &options.internal {
        Some(internal) => Some(Counted::read(internal).await?),
        None => None,
    };

    ann.join(&room, None).await?;
    ben.join(&room, None).await?;
    let hello = ann.say(&room, "hello", &Key::random()).await?;
    for person in [&mut ann, &mut ben] {
        let heard = person.hear(&room).await?;
        same("the message that was sent", &hello, &heard)?;
    }
    step.done("a message reaches both, with one number");

    let (token, node) = (ben.token.clone(), ben.node.clone());
    drop(ben);
    let mut said = Vec::new();
    for number in 0..MISSED {
        let text = format!("missed {number}");
        said.push(ann.say(&room, &text, &Key::random()).await?);
    }
    let mut ben = Person::open(&options.url, "Ben", Some(&token)).await?;
    ben.join(&room, Some(&hello)).await?;
    for sent in &said {
        let heard = ben.hear(&room).await?;
        same("what was missed, in order", sent, &heard)?;
    }
    step.done(&format!(
        "{MISSED} missed messages come in order, from {node} to {}",
        ben.node
    ));

    let key = Key::random();
    let once = ann.say(&room, "twice", &key).await?;
    let again = ann.say(&room, "twice", &key).await?;
    same("the place of a message that is sent twice", &once, &again)?;
    if again["duplicate"] != json!(true) {
        return Err("a message that was sent twice is not known as a duplicate".to_owned());
    }
    let heard = ben.hear(&room).await?;
    same("a message that was sent twice", &once, &heard)?;
    ann.say(&room, "end", &Key::random()).await?;
    let end = ben.hear(&room).await?;
    if end["text"] != json!("end") {
        return Err(format!("a message was delivered twice: {end}"));
    }
    step.done("a message sent twice is there once");

    if let (Some(internal), Some(before)) = (&options.internal, before) {
        let after = Counted::read(internal).await?;
        after.check(&before, options.nodes, ACCEPTED)?;
        step.done(&format!("the metrics of {after} say so"));
    }
    Ok(())
}

/// Opens sessions until there are two on different nodes, if so many are asked for.
///
/// What fails is tried again while patience lasts: a new installation has neither all its nodes nor all its routes.
async fn meet(options: &Options) -> Result<(Person, Person), String> {
    dial::address(&options.url)?;
    let until = Instant::now() + options.patience;
    let mut told = String::new();
    loop {
        let fault = match tokio::time::timeout(TIMEOUT, try_meet(options)).await {
            Ok(Ok(pair)) => return Ok(pair),
            Ok(Err(fault)) => fault,
            Err(_) => format!("{} opens no session in time", options.url),
        };
        if Instant::now() + PAUSE > until {
            return Err(fault);
        }
        if fault != told {
            println!("waiting: {fault}");
            told = fault;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn try_meet(options: &Options) -> Result<(Person, Person), String> {
    let ann = Person::open(&options.url, "Ann", None).await?;
    for _ in 0..DIALS {
        let ben = Person::open(&options.url, "Ben", None).await?;
        if options.nodes < 2 || ben.node != ann.node {
            return Ok((ann, ben));
        }
    }
    Err(format!(
        "{DIALS} sessions were all on one node; if there is only one, say --nodes 1"
    ))
}

/// Compares where two frames say that a message stands.
fn same(what: &str, one: &serde_json::Value, other: &serde_json::Value) -> Result<(), String> {
    let place = |frame: &serde_json::Value| (frame["epoch"].clone(), frame["seq"].clone());
    if place(one) == place(other) {
        Ok(())
    } else {
        Err(format!("{what} differs: {one} and {other}"))
    }
}

/// Tells each step with the time that it took.
struct Step(Instant);

impl Step {
    fn begin() -> Self {
        Self(Instant::now())
    }

    fn done(&mut self, what: &str) {
        println!("{what}: {} ms", self.0.elapsed().as_millis());
        self.0 = Instant::now();
    }
}
