//! Many random walks, each from a seed that a failure names, with a trace of what happened.
//!
//! The variable `MADANG_WALKS` sets how many seeds each test takes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::world::{Weather, World};
use crate::telemetry::Metrics;

/// Seeds of each test.
const SEEDS: u64 = 250;
/// Steps of each walk.
const STEPS: usize = 300;

fn walk(weather: Weather) {
    let metrics = Arc::new(Metrics::new());
    let seeds = std::env::var("MADANG_WALKS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(SEEDS);
    for seed in 0..seeds {
        let run = |is_traced| World::new(seed, weather, &metrics, is_traced).walk(STEPS);
        if catch_unwind(AssertUnwindSafe(|| run(false))).is_err() {
            eprintln!("seed {seed} in {weather:?} weather:");
            run(true);
        }
    }
}

#[test]
fn nobody_is_told_of_a_loss_that_was_none() {
    walk(Weather::Gentle);
}

#[test]
fn gaps_are_told_only_where_the_log_is_trimmed() {
    walk(Weather::Dry);
}

#[test]
fn more_epochs_than_the_chain_keeps_are_walked_through() {
    walk(Weather::Restless);
}

#[test]
fn screens_equal_the_log_whatever_happens_to_it() {
    walk(Weather::Wild);
}
