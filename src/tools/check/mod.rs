//! `madang check`: the settings in effect, the keys of the HTTP API, and what the configured Redis allows.
//!
//! It reads, tries what a node will do on names of its own that it leaves empty, and changes nothing. What must be
//! changed before nodes work as promised is a fault, told with its remedy; what is allowed but promises less is a note.
//!
//! In reading order: `settings` (the listing), `api` (the keys of bots), `redis` (what is asked), `found` (what the answers mean), `rights` (what
//! a node's user must be allowed), `report` (how it is told).

use std::io::Write as _;

use crate::config::Loaded;

mod api;
mod found;
mod redis;
mod report;
mod rights;
mod settings;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod topologies;

/// Prints the settings in effect, the keys of the HTTP API and what the configured Redis allows, on standard output.
///
/// With a Redis that does not answer it takes four seconds at most.
///
/// # Errors
/// All faults, one sentence each, for a person.
pub async fn run(loaded: &Loaded) -> Result<(), String> {
    let mut report = redis::ask(&loaded.settings).await;
    let api = api::look(&loaded.settings);
    let listing = settings::listing(&loaded.effective);
    let page = format!("{listing}\n{api}\n{report}");
    report.faults.extend(api.faults);
    // Whoever reads only the beginning closes the pipe, which is no fault.
    let _ = std::io::stdout().write_all(page.as_bytes());
    report.verdict()
}
