//! What must hold between settings.
//!
//! A rule is not asked while one of its settings has a fault of its own, so that one mistake is
//! told once.

use super::amounts::KIB;
use super::faults::seen;
use super::load::Effective;
use super::redis_url::Topology;
use super::sections::{Redis, Server, Settings};

/// A sentence about several settings, and whether it is true.
struct Rule {
    /// The settings that it is about; the first ones are those to change.
    keys: &'static [&'static str],
    holds: fn(&Settings) -> bool,
    sentence: &'static str,
}

/// What JSON may make of one code point: two escapes `\uXXXX`, as a sender writes who escapes
/// everything beyond ASCII.
const ESCAPED_CODE_POINT_BYTES: usize = 12;
/// The rest of a `send` frame: its names, a room's name, an id and a key, each escaped.
const SEND_FRAME_BYTES: usize = 2 * KIB;

const RULES: &[Rule] = &[
    Rule {
        keys: &["server.internal_listen", "server.listen"],
        holds: |settings| !listens_twice(&settings.server),
        sentence: "the two need different ports",
    },
    Rule {
        keys: &["redis.username", "redis.url"],
        holds: |Settings { redis, .. }| redis.username.is_none() || redis.url.is_some(),
        sentence: "a user needs redis.url, or nothing is asked with it",
    },
    Rule {
        keys: &["redis.password_file", "redis.url"],
        holds: |Settings { redis, .. }| redis.password_file.is_none() || redis.url.is_some(),
        sentence: "a password needs redis.url, or nothing is asked with it",
    },
    Rule {
        keys: &["redis.ca_file", "redis.url"],
        holds: |Settings { redis, .. }| {
            redis.ca_file.is_none() || redis.url.as_ref().is_some_and(|url| url.tls)
        },
        sentence: "a CA needs a redis.url that begins with rediss, or nothing is encrypted",
    },
    Rule {
        keys: &["redis.sentinel_username", "redis.url"],
        holds: |Settings { redis, .. }| redis.sentinel_username.is_none() || has_sentinels(redis),
        sentence: "a user at the sentinels needs a redis.url that begins with redis+sentinel:// or rediss+sentinel://",
    },
    Rule {
        keys: &["redis.sentinel_password_file", "redis.url"],
        holds: |Settings { redis, .. }| {
            redis.sentinel_password_file.is_none() || has_sentinels(redis)
        },
        sentence: "a password of the sentinels needs a redis.url that begins with redis+sentinel:// or rediss+sentinel://",
    },
    Rule {
        keys: &["redis.sentinel_password_file"],
        holds: |Settings { redis, .. }| redis.read_sentinel_password().is_ok(),
        sentence: "the file must hold the password as one line of UTF-8",
    },
    Rule {
        keys: &["redis.sentinel_username", "redis.sentinel_password_file"],
        holds: |Settings { redis, .. }| {
            redis.sentinel_username.is_none() || redis.sentinel_password_file.is_some()
        },
        sentence: "a user at the sentinels needs a password",
    },
    Rule {
        keys: &["redis.password_file"],
        holds: |Settings { redis, .. }| redis.read_password().is_ok(),
        sentence: "the file must hold the password as one line of UTF-8",
    },
    Rule {
        keys: &["redis.username", "redis.password_file", "redis.url"],
        // Without redis.url the rule above speaks; an unreadable password is told by its own rule.
        holds: |Settings { redis, .. }| {
            redis.user().is_none()
                || redis.url.is_none()
                || !matches!(redis.read_password(), Ok(None))
        },
        sentence: "a user needs a password, from redis.password_file or in the URL",
    },
    Rule {
        keys: &["history.keep", "limits.dedupe_window"],
        holds: |settings| settings.history.keep >= settings.limits.dedupe_window,
        sentence: "a room must be kept at least as long as the keys of its messages are remembered",
    },
    Rule {
        keys: &["limits.dedupe_window", "limits.send_timeout"],
        holds: |Settings { limits, .. }| limits.dedupe_window > limits.send_timeout,
        sentence: "a key must be remembered longer than one try to send it may take",
    },
    Rule {
        keys: &["limits.outbox_bytes", "limits.frame_bytes"],
        holds: |Settings { limits, .. }| limits.frame_bytes <= limits.outbox_bytes,
        sentence: "an outbox must hold at least one frame of full size",
    },
    Rule {
        keys: &["limits.frame_bytes", "limits.text"],
        holds: |Settings { limits, .. }| {
            limits.text * ESCAPED_CODE_POINT_BYTES + SEND_FRAME_BYTES <= limits.frame_bytes
        },
        sentence: "a frame must hold the longest text however it is escaped: 12 bytes per code point and 2KiB",
    },
    Rule {
        keys: &["limits.requests_per_second", "limits.sends_per_second"],
        holds: |Settings { limits, .. }| {
            limits.requests_per_second == 0
                || (limits.sends_per_second != 0
                    && limits.sends_per_second <= limits.requests_per_second)
        },
        sentence: "messages are requests too: a session within its sends would be closed as a flood",
    },
    Rule {
        keys: &["limits.requests_burst", "limits.send_burst"],
        holds: |Settings { limits, .. }| {
            limits.requests_per_second == 0 || limits.send_burst <= limits.requests_burst
        },
        sentence: "messages are requests too: a burst of sends would be closed as a flood",
    },
    Rule {
        keys: &["fleet.debounce", "fleet.lease"],
        holds: |Settings { fleet, .. }| fleet.debounce < fleet.lease,
        sentence: "the debounce must be shorter than the lease",
    },
];

/// Returns true if `redis.url` names sentinels.
fn has_sentinels(redis: &Redis) -> bool {
    let topology = redis.url.as_ref().map(|url| &url.topology);
    matches!(topology, Some(Topology::Sentinel { .. }))
}

/// Returns true if both listeners would ask for one port of one address.
fn listens_twice(server: &Server) -> bool {
    let (public, internal) = (server.listen, server.internal_listen);
    let same_address = public.ip() == internal.ip()
        || public.ip().is_unspecified()
        || internal.ip().is_unspecified();
    public.port() != 0 && public.port() == internal.port() && same_address
}

/// Returns a fault for every rule that is broken; `faulty` are the settings that have one already.
pub(super) fn broken(settings: &Settings, effective: &[Effective], faulty: &[&str]) -> Vec<String> {
    let asked = |rule: &&Rule| !rule.keys.iter().any(|key| faulty.contains(key));
    let rules = RULES
        .iter()
        .filter(asked)
        .filter(|rule| !(rule.holds)(settings));
    rules
        .map(|rule| {
            let values = rule
                .keys
                .iter()
                .filter_map(|key| effective.iter().find(|one| one.key == *key));
            let values: Vec<_> = values.map(seen).collect();
            format!("{}; {}", values.join(", "), rule.sentence)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::Setting;
    use crate::config::{Faults, sections::TABLE};

    fn faults(pairs: &[(&str, &str)]) -> Vec<String> {
        let variables = pairs
            .iter()
            .map(|(name, value)| (format!("MADANG_{name}"), (*value).to_owned()));
        let loaded = Settings::load(None, variables);
        let lines = |faults: Faults| faults.lines().map(str::to_owned).collect();
        loaded.map_or_else(lines, |_| Vec::new())
    }

    #[test]
    fn every_rule_is_about_settings_that_exist() {
        for key in RULES.iter().flat_map(|rule| rule.keys) {
            assert!(
                TABLE.iter().any(|Setting { key: known, .. }| known == key),
                "{key}"
            );
        }
    }

    #[test]
    fn each_rule_can_be_broken_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file").display().to_string();
        std::fs::write(&path, "\n").unwrap();
        let rows: &[(&[(&str, &str)], &str)] = &[
            (&[("SERVER__LISTEN", "127.0.0.1:9090")], "different ports"),
            (&[("REDIS__USERNAME", "chat")], "a user needs redis.url"),
            (
                &[("REDIS__CA_FILE", &path), ("REDIS__URL", "redis://h")],
                "nothing is encrypted",
            ),
            (
                &[("REDIS__PASSWORD_FILE", &path), ("REDIS__URL", "redis://h")],
                "as one line of UTF-8",
            ),
            (
                &[("REDIS__URL", "redis://chat@h")],
                "a user needs a password",
            ),
            (
                &[
                    ("REDIS__URL", "redis+sentinel://h/m"),
                    ("REDIS__SENTINEL_PASSWORD_FILE", &path),
                ],
                "as one line of UTF-8",
            ),
            (
                &[
                    ("REDIS__URL", "redis+sentinel://h/m"),
                    ("REDIS__SENTINEL_USERNAME", "chat"),
                ],
                "a user at the sentinels needs a password",
            ),
            (&[("HISTORY__KEEP", "4m")], "a room must be kept"),
            (
                &[
                    ("LIMITS__DEDUPE_WINDOW", "10s"),
                    ("LIMITS__SEND_TIMEOUT", "10s"),
                ],
                "a key must be remembered",
            ),
            (&[("LIMITS__FRAME_BYTES", "2MiB")], "at least one frame"),
            (&[("LIMITS__TEXT", "5400")], "the longest text"),
            (&[("LIMITS__SENDS_PER_SECOND", "0")], "within its sends"),
            (&[("LIMITS__SENDS_PER_SECOND", "51")], "within its sends"),
            (&[("LIMITS__SEND_BURST", "201")], "a burst of sends"),
            (&[("FLEET__DEBOUNCE", "10s")], "shorter than the lease"),
        ];
        for (pairs, expected) in rows {
            let lines = faults(pairs);
            assert_eq!(lines.len(), 1, "{pairs:?}: {lines:#?}");
            assert!(lines[0].contains(expected), "{pairs:?}: {lines:#?}");
        }
    }

    #[test]
    fn a_password_without_redis_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password").display().to_string();
        std::fs::write(&path, "hunter2").unwrap();
        let lines = faults(&[("REDIS__PASSWORD_FILE", &path)]);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(
            lines[0].contains("a password needs redis.url"),
            "{lines:#?}"
        );
    }

    #[test]
    fn credentials_of_sentinels_without_sentinels_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password").display().to_string();
        std::fs::write(&path, "hunter2").unwrap();
        let lines = faults(&[
            ("REDIS__URL", "redis://h"),
            ("REDIS__SENTINEL_USERNAME", "chat"),
            ("REDIS__SENTINEL_PASSWORD_FILE", &path),
        ]);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(
            lines[0].contains("a user at the sentinels needs a redis.url"),
            "{lines:#?}"
        );
        assert!(
            lines[1].contains("a password of the sentinels needs a redis.url"),
            "{lines:#?}"
        );
    }

    #[test]
    fn bounds_of_the_rules_are_allowed() {
        let rows: &[&[(&str, &str)]] = &[
            &[
                ("SERVER__LISTEN", "127.0.0.1:0"),
                ("SERVER__INTERNAL_LISTEN", "127.0.0.1:0"),
            ],
            &[
                ("SERVER__LISTEN", "127.0.0.1:9000"),
                ("SERVER__INTERNAL_LISTEN", "127.0.0.2:9000"),
            ],
            &[("HISTORY__KEEP", "5m")],
            &[("LIMITS__FRAME_BYTES", "1MiB")],
            &[("LIMITS__TEXT", "5290")],
            &[
                ("LIMITS__SENDS_PER_SECOND", "0"),
                ("LIMITS__REQUESTS_PER_SECOND", "0"),
            ],
            &[("FLEET__DEBOUNCE", "9999ms")],
            &[("REDIS__URL", "redis://chat:x@h")],
        ];
        for pairs in rows {
            assert_eq!(faults(pairs), Vec::<String>::new(), "{pairs:?}");
        }
    }

    #[test]
    fn a_rule_waits_for_settings_without_fault() {
        let lines = faults(&[("FLEET__LEASE", "soon"), ("FLEET__DEBOUNCE", "1m")]);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].starts_with("fleet.lease "), "{lines:#?}");
    }
}
