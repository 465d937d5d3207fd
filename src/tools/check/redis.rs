//! What is asked of Redis.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};

use super::found::{self, Info};
use super::report::Report;
use super::rights::{self, Lacks};
use crate::broker::redis::link::Link;
use crate::broker::redis::options::Options;
use crate::broker::redis::{LinkError, fleet};
use crate::config::{ServerAddress, Settings, Topology};
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
    let found = match Link::new(&Options::from(settings), Arc::new(Metrics::new())) {
        Ok(link) => look(settings, &link, &mut report).await,
        Err(fault) => Err(fault),
    };
    if let Err(fault) = found {
        report.fact("reached", "no");
        report.faults.push(fault.to_string());
    }
    report
}

/// Looks at everything; an error is one of the way, not a denied right.
async fn look(settings: &Settings, link: &Link, report: &mut Report) -> Result<(), LinkError> {
    let topology = settings.redis.url.as_ref().map(|url| &url.topology);
    look_at_sentinels(link, report).await;
    let shards = link.shards().await?;
    if let [shard] = &shards[..]
        && !link.is_cluster()
    {
        let mut wire = shard.open(|_| ()).await?;
        if topology != Some(&Topology::Standalone) {
            report.fact("master", wire.server.to_string());
        }
        let looked = look_at(settings, link, &mut wire.commands, true, report).await;
        let replicas = looked.map_err(|error| shard.fault(&error))?;
        if topology != Some(&Topology::Standalone) {
            look_at_replicas(settings, link, &replicas, report).await;
        }
    } else {
        report.fact("masters", shards.len().to_string());
        for shard in &shards {
            let mut wire = shard.open(|_| ()).await?;
            let mut part = Report {
                title: format!("master {}", wire.server),
                ..Report::default()
            };
            let looked = look_at(settings, link, &mut wire.commands, true, &mut part).await;
            let replicas = looked.map_err(|error| shard.fault(&error))?;
            report.parts.push(part);
            look_at_replicas(settings, link, &replicas, report).await;
        }
    }
    if settings.redis.needed_acks() == 0 && topology != Some(&Topology::Standalone) {
        report.notes.push(
            "redis.acks is 0: messages that were accepted just before another server becomes the master may be \
             lost; set redis.acks 1, or leave it empty"
                .to_owned(),
        );
    }
    look_for_nodes(settings, link, report).await;
    report.gather();
    Ok(())
}

/// Asks each sentinel; with one that answers the others are only a note.
async fn look_at_sentinels(link: &Link, report: &mut Report) {
    let answers = link.ask_sentinels().await;
    let mut named = answers
        .iter()
        .filter_map(|(_, answer)| answer.as_ref().ok());
    let first = named.next();
    for (sentinel, answer) in &answers {
        match answer {
            Ok(master) => {
                report.fact("sentinel", format!("{sentinel} names {master}"));
                if Some(master) != first {
                    report.notes.push(format!(
                        "the sentinel at {sentinel} names another master than the first: a failover goes on, or it is \
                         cut off from the others"
                    ));
                }
            }
            Err(fault) => {
                report.fact("sentinel", format!("{sentinel} names none"));
                let sentence = fault.to_string();
                if fault.is_configuration() {
                    report.faults.push(sentence);
                } else if first.is_some() {
                    report.notes.push(sentence);
                }
            }
        }
    }
}

/// Looks at servers that may become masters: what a node needs, it needs there too.
async fn look_at_replicas(
    settings: &Settings,
    link: &Link,
    replicas: &[ServerAddress],
    report: &mut Report,
) {
    for replica in replicas {
        let mut part = Report {
            title: format!("replica {replica}"),
            ..Report::default()
        };
        let looked = async {
            let mut commands = link.open_at(replica).await?;
            let looked = look_at(settings, link, &mut commands, false, &mut part).await;
            looked.map_err(|error| link.fault(&error))
        };
        if let Err(fault) = looked.await {
            part.fact("reached", "no");
            part.faults.push(format!(
                "the replica {replica}, which may become the master, cannot be used: {fault}"
            ));
        }
        report.parts.push(part);
    }
}

/// Looks at one server; returns its replicas as it names them.
async fn look_at(
    settings: &Settings,
    link: &Link,
    commands: &mut MultiplexedConnection,
    is_master: bool,
    report: &mut Report,
) -> RedisResult<Vec<ServerAddress>> {
    let trip = round_trip(commands).await?;
    report.fact(
        "reached",
        format!(
            "yes, a round trip takes {:.1} ms",
            trip.as_secs_f64() * 1000.0
        ),
    );

    let info: String = redis::cmd("INFO").query_async(commands).await?;
    let info = Info::parse(&info);
    let acks = if is_master {
        settings.redis.needed_acks()
    } else {
        0
    };
    found::judge(&info, acks, link.is_cluster(), report);
    found::judge_fsync(&info, appendfsync(commands).await?.as_deref(), report);

    let user = settings.redis.user().unwrap_or("default");
    let faults =
        lacks(link, commands)
            .await?
            .faults(user, &settings.redis.prefix, link.is_cluster());
    let rights = if faults.is_empty() {
        "all that a node needs"
    } else {
        "too few"
    };
    report.fact("rights", format!("{rights}, as user {user}"));
    report.faults.extend(faults);
    Ok(info.replicas())
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
async fn round_trip(commands: &mut MultiplexedConnection) -> RedisResult<Duration> {
    let mut trips = Vec::with_capacity(TRIPS);
    for _ in 0..TRIPS {
        let asked = Instant::now();
        redis::cmd("PING").exec_async(commands).await?;
        trips.push(asked.elapsed());
    }
    trips.sort_unstable();
    Ok(trips[TRIPS / 2])
}

/// Returns `appendfsync`, `None` if the user or the server does not permit to see it.
async fn appendfsync(commands: &mut MultiplexedConnection) -> RedisResult<Option<String>> {
    let mut command = redis::cmd("CONFIG");
    let answer = command
        .arg("GET")
        .arg("appendfsync")
        .query_async::<HashMap<String, String>>(commands)
        .await;
    match answer {
        Ok(mut settings) => Ok(settings.remove("appendfsync")),
        Err(error) if is_answer(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn lacks(link: &Link, commands: &mut MultiplexedConnection) -> RedisResult<Lacks> {
    let mut lacks = Lacks::default();
    let db = link.options().redis.url.as_ref().map_or(0, |url| url.db);
    let (rights, mut pipeline) = rights::tries(link.keys(), db, link.is_cluster());
    let answers: rights::Answers = pipeline.ignore_errors().query_async(commands).await?;
    for (right, answer) in rights.iter().zip(&answers) {
        lacks.note(right, answer);
    }
    let name = rights::payloads(link.keys());
    if link.is_cluster() {
        for (right, command) in [
            ("ssubscribe", "SSUBSCRIBE"),
            ("sunsubscribe", "SUNSUBSCRIBE"),
        ] {
            let answer = redis::cmd(command).arg(&name).exec_async(commands).await;
            lacks.note(right, &answer);
        }
    }
    for (right, answer) in [
        ("subscribe", commands.subscribe(&name).await),
        ("unsubscribe", commands.unsubscribe(&name).await),
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
