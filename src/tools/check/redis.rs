//! What is asked of Redis.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{RedisError, RedisResult};

use super::found::{self, Info};
use super::report::Report;
use super::rights::{self, Lacks};
use crate::broker::redis::fleet;
use crate::broker::redis::link::Link;
use crate::broker::redis::options::Options;
use crate::broker::redis::wire::Wire;
use crate::config::Settings;
use crate::fleet::strangers;
use crate::telemetry::Metrics;

/// Round trips of which the median is told.
const TRIPS: usize = 9;

/// Asks the Redis of the settings; without one there is nothing to find.
pub(super) async fn ask(settings: &Settings) -> Report {
    let Some(url) = &settings.redis.url else {
        return Report {
            title: "redis: none; one node, everything in its memory".to_owned(),
            ..Report::default()
        };
    };
    let mut report = Report {
        title: format!("redis {url}"),
        ..Report::default()
    };
    let opened = match Link::new(&Options::from(settings), Arc::new(Metrics::new())) {
        Ok(link) => link.open(|_| ()).await.map(|wire| (link, wire)),
        Err(fault) => Err(fault),
    };
    match opened {
        Ok((link, wire)) => {
            if let Err(error) = look(settings, &link, wire, &mut report).await {
                report.faults.push(link.fault(&error).to_string());
            }
        }
        Err(fault) => {
            report.fact("reached", "no");
            report.faults.push(fault.to_string());
        }
    }
    report
}

/// Looks at everything; an error is one of the way, not a denied right.
async fn look(
    settings: &Settings,
    link: &Link,
    mut wire: Wire,
    report: &mut Report,
) -> RedisResult<()> {
    let trip = round_trip(&mut wire).await?;
    report.fact(
        "reached",
        format!(
            "yes, a round trip takes {:.1} ms",
            trip.as_secs_f64() * 1000.0
        ),
    );

    let info: String = redis::cmd("INFO").query_async(&mut wire.commands).await?;
    let info = Info::parse(&info);
    found::judge(&info, settings.redis.needed_acks(), report);
    found::judge_fsync(&info, appendfsync(&mut wire).await?.as_deref(), report);

    let user = settings.redis.user().unwrap_or("default");
    let faults = lacks(link, &mut wire)
        .await?
        .faults(user, &settings.redis.prefix);
    let rights = if faults.is_empty() {
        "all that a node needs"
    } else {
        "too few"
    };
    report.fact("rights", format!("{rights}, as user {user}"));
    report.faults.extend(faults);
    look_for_nodes(settings, link, report).await;
    Ok(())
}

/// Looks who has the same part of Redis; without the rights that takes, those are the fault.
async fn look_for_nodes(settings: &Settings, link: &Link, report: &mut Report) {
    let Ok(nodes) = fleet(link).await else {
        return;
    };
    report.fact("nodes", nodes.len().to_string());
    let own = settings.fleet.name.as_deref().unwrap_or_default();
    let strangers = strangers::sentences(&nodes, own, &settings.redis.prefix);
    report.faults.extend(strangers);
}

/// Returns the median of a few round trips.
async fn round_trip(wire: &mut Wire) -> RedisResult<Duration> {
    let mut trips = Vec::with_capacity(TRIPS);
    for _ in 0..TRIPS {
        let asked = Instant::now();
        redis::cmd("PING").exec_async(&mut wire.commands).await?;
        trips.push(asked.elapsed());
    }
    trips.sort_unstable();
    Ok(trips[TRIPS / 2])
}

/// Returns `appendfsync`, `None` if the user or the server does not permit to see it.
async fn appendfsync(wire: &mut Wire) -> RedisResult<Option<String>> {
    let mut command = redis::cmd("CONFIG");
    let answer = command
        .arg("GET")
        .arg("appendfsync")
        .query_async::<HashMap<String, String>>(&mut wire.commands)
        .await;
    match answer {
        Ok(mut settings) => Ok(settings.remove("appendfsync")),
        Err(error) if is_answer(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn lacks(link: &Link, wire: &mut Wire) -> RedisResult<Lacks> {
    let mut lacks = Lacks::default();
    let db = link.options().redis.url.as_ref().map_or(0, |url| url.db);
    let (rights, mut pipeline) = rights::tries(link.keys(), db);
    let answers: rights::Answers = pipeline
        .ignore_errors()
        .query_async(&mut wire.commands)
        .await?;
    for (right, answer) in rights.iter().zip(&answers) {
        lacks.note(right, answer);
    }
    let name = rights::payloads(link.keys());
    for (right, answer) in [
        ("subscribe", wire.commands.subscribe(&name).await),
        ("unsubscribe", wire.commands.unsubscribe(&name).await),
    ] {
        lacks.note(right, &answer);
        if let Err(error) = answer
            && !is_answer(&error)
        {
            return Err(error);
        }
    }
    Ok(lacks)
}

/// Returns true if the server answered so; otherwise it is the way that failed.
fn is_answer(error: &RedisError) -> bool {
    error.code().is_some()
}
