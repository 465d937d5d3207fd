//! Fixed small workloads whose instructions are counted, so that no change slows the hot path in silence.
//!
//! `tests/tools/instructions.py` runs each under callgrind with two numbers of rounds and takes the difference: what is
//! done to start and to prepare falls out. Everything here is one thread, without a clock that moves, and with fixed
//! seeds, so that two runs count the same but for the seeds of hash tables (far below 1 %).
//!
//! | file | workloads |
//! | --- | --- |
//! | `requests` | what a page sends: masked frames, and a `send` up to the room's publisher |
//! | `broker` | the publish script's call and its answer, and payloads that become frames |
//! | `rooms` | fan-out through the outboxes to what is written, and coming back |
//!
//! Arguments: none lists the workloads, one per line with its rounds, the operations of a round, and what one of them
//! is. `NAME ROUNDS` runs one. `NAME ROUNDS MORE` does MORE per cent more work than it says: by that the tool checks
//! that more work is found.

mod broker;
mod requests;
mod rooms;

use std::process::ExitCode;

/// What a round does; what it needs is made before the first.
type Round = Box<dyn FnMut()>;

/// Work that is counted.
struct Workload {
    name: &'static str,
    /// What one operation is.
    operation: &'static str,
    /// Operations of a round.
    operations: usize,
    /// Rounds whose instructions say enough: some millions.
    rounds: usize,
    prepare: fn() -> Round,
}

const WORKLOADS: [Workload; 9] = [
    requests::FRAMES,
    requests::SEND,
    broker::CALL,
    broker::ANSWER,
    broker::PAYLOAD,
    rooms::BIG_ROOM,
    rooms::SMALL_ROOMS,
    rooms::HOT_ROOMS,
    rooms::RESUME,
];

fn main() -> ExitCode {
    // Cargo adds `--bench` when it runs this by itself.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| it != "--bench")
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, rounds, more) = match words[..] {
        [] => {
            list();
            return ExitCode::SUCCESS;
        }
        [name, rounds] => (name, rounds, "0"),
        [name, rounds, more] => (name, rounds, more),
        _ => {
            return wrong(
                "give a workload, its rounds, and per cent of more work if there shall be any",
            );
        }
    };
    let Some(workload) = WORKLOADS.iter().find(|it| it.name == name) else {
        return wrong(&format!(
            "{name} is no workload; without arguments they are listed"
        ));
    };
    let (Ok(rounds), Ok(more)) = (rounds.parse::<usize>(), more.parse::<usize>()) else {
        return wrong("rounds and per cent are whole numbers from 0");
    };
    let mut round = (workload.prepare)();
    (0..rounds + rounds * more / 100).for_each(|_| round());
    ExitCode::SUCCESS
}

fn list() {
    for Workload {
        name,
        operation,
        operations,
        rounds,
        ..
    } in &WORKLOADS
    {
        println!("{name}\t{rounds}\t{operations}\t{operation}");
    }
}

fn wrong(sentence: &str) -> ExitCode {
    eprintln!("instructions: {sentence}");
    ExitCode::from(2)
}

/// Texts of 128 bytes as people write them, some with letters of three bytes, some with what JSON escapes.
fn texts() -> Vec<String> {
    let words = [
        "yard",
        "meet",
        "tonight",
        "마당",
        "에서",
        "만나요",
        "\"so\"",
        "see",
        "you",
        "there,",
        "all",
    ];
    let mut dice = fastrand::Rng::with_seed(7);
    let text = |_| {
        let mut text = String::new();
        while text.len() < 118 {
            text.push_str(words[dice.usize(..words.len())]);
            text.push(' ');
        }
        text.extend(std::iter::repeat_n('.', 128 - text.len()));
        text
    };
    (0..16).map(text).collect()
}
