//! What a run does: options that make sense together, and what follows from them.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::ops::Range;
use std::time::Duration;

use super::Options;
use super::stamp::Stamp;
use crate::server::listen::raise_file_limit;

/// Files that are open beside the sessions: standard streams, polls, timers, what is read of `/proc`.
const OTHER_FILES: u64 = 64;
/// The longest text that is sent, in bytes.
const LONGEST_TEXT: usize = 64 * 1024;
/// Letters of the name that a run's rooms have in common.
const RUN_LETTERS: usize = 8;

/// Where sessions are opened.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Host and port as the `Host` header has them.
    pub(super) host: String,
    pub(super) address: SocketAddr,
    /// What stands before the dialect's path.
    pub(super) prefix: String,
}

/// How much is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Load {
    Idle,
    /// Messages per second over all rooms.
    Rate(f64),
    /// Unanswered messages of each sender.
    Window(u32),
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) options: Options,
    pub(super) targets: Vec<Target>,
    pub(super) load: Load,
    pub(super) sessions: u32,
    /// Members of a room that send, from the first.
    pub(super) senders: u32,
    pub(super) seed: u64,
    /// What the names of this run's rooms begin with.
    run: String,
}

/// When the phases of traffic are, in nanoseconds since the run began.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    pub(super) start: u64,
    pub(super) measured: Range<u64>,
    /// Nothing is due from here on.
    pub(super) end: u64,
}

impl Plan {
    /// Checks the options, and looks up the targets.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right.
    pub(super) fn new(options: Options) -> Result<Self, String> {
        let load = match (options.rate, options.window) {
            (Some(_), Some(_)) => {
                return Err(
                    "--rate and --window exclude each other: an open loop, or so many under way"
                        .to_owned(),
                );
            }
            (None, Some(0)) => return Err("--window must be 1 or more".to_owned()),
            (None, Some(window)) => Load::Window(window),
            (Some(rate), None) if rate < 0.0 || !rate.is_finite() => {
                return Err("--rate must be 0 or more messages per second".to_owned());
            }
            (Some(rate), None) if rate > 0.0 => Load::Rate(rate),
            _ => Load::Idle,
        };
        let sessions = options
            .rooms
            .checked_mul(options.members)
            .filter(|&sessions| sessions > 0)
            .ok_or("--rooms and --members must be 1 or more, and 4,000,000,000 sessions together at most")?;
        let least = Stamp::longest(options.rooms, options.members);
        if !(least..=LONGEST_TEXT).contains(&options.payload) {
            return Err(format!(
                "--payload must be from {least} to {LONGEST_TEXT} bytes: each message carries who sent it and when"
            ));
        }
        if options.ramp <= 0.0 || !options.ramp.is_finite() {
            return Err("--ramp must be above 0 sessions per second".to_owned());
        }
        if options.threads == 0 || options.threads > options.rooms {
            return Err(format!(
                "--threads must be from 1 to the number of rooms, {}: a thread has whole rooms",
                options.rooms
            ));
        }
        if options.storm.is_some() && !options.dialect.resumes() {
            return Err(format!(
                "--storm needs a protocol in which sessions resume, madang or centrifuge; {} has nothing to resume from",
                options.dialect
            ));
        }
        if options.slow < 0.0 || options.slow >= 100.0 {
            return Err("--slow must be from 0 to below 100 percent".to_owned());
        }
        check_files(sessions)?;
        let targets = options
            .urls
            .iter()
            .map(|url| target(url))
            .collect::<Result<Vec<_>, _>>()?;
        if targets.is_empty() {
            return Err("--url must be given at least once".to_owned());
        }
        let run = std::iter::repeat_with(|| fastrand::lowercase())
            .take(RUN_LETTERS)
            .collect();
        Ok(Self {
            targets,
            load,
            sessions,
            senders: options
                .senders
                .unwrap_or(options.members)
                .clamp(1, options.members),
            seed: options.seed.unwrap_or_else(|| u64::from(fastrand::u32(..))),
            run,
            options,
        })
    }

    /// Returns the name of a room.
    pub(super) fn room(&self, index: u32) -> String {
        format!("bench-{}-{index}", self.run)
    }

    /// Returns the index of the target that a member has its session at.
    pub(super) fn node_of(&self, member: u32) -> usize {
        member as usize % self.targets.len()
    }

    /// Returns when the phases of traffic are if it begins at a time.
    pub(super) fn traffic(&self, start: u64) -> Traffic {
        let begin = start + nanoseconds(self.options.warmup);
        let measured = begin..begin + nanoseconds(self.options.time);
        Traffic {
            start,
            end: measured.end,
            measured,
        }
    }
}

/// Returns a time in nanoseconds.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos())
        .unwrap_or(u64::MAX / 4)
        .min(u64::MAX / 4)
}

/// Says how many sessions fit if these do not.
fn check_files(sessions: u32) -> Result<(), String> {
    let limit = raise_file_limit()
        .map_err(|error| format!("the limit on open files is not told: {error}"))?;
    let fit = limit.saturating_sub(OTHER_FILES);
    if u64::from(sessions) <= fit {
        return Ok(());
    }
    Err(format!(
        "{sessions} sessions are more than the {fit} that {limit} open files allow; raise the hard limit (ulimit -Hn), \
         or run several at once with fewer sessions"
    ))
}

fn target(url: &str) -> Result<Target, String> {
    if url.starts_with("https://") || url.starts_with("wss://") {
        return Err(format!(
            "{url}: TLS is not spoken, it would measure itself; use an http:// or ws:// address behind whatever ends TLS"
        ));
    }
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("ws://"))
        .ok_or_else(|| format!("{url} must begin with http:// or ws://"))?;
    let (host, prefix) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let whole = if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut addresses: Vec<SocketAddr> = whole
        .to_socket_addrs()
        .map_err(|error| format!("{url} has no address: {error}"))?
        .collect();
    // `localhost` is often both; what listens on one family only is mostly IPv4.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let address = *addresses
        .first()
        .ok_or_else(|| format!("{url} has no address"))?;
    Ok(Target {
        host: host.to_owned(),
        address,
        prefix: prefix.trim_end_matches('/').to_owned(),
    })
}
