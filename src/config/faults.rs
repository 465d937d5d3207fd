//! What is wrong with a configuration: all of it, one line each.
//!
//! A line names the setting, its variable, the value seen, where that came from and what is
//! allowed. Secrets are hidden, and so is the value of a key that is not known: it may be a secret
//! with a typing error in its name.

use std::fmt;

use super::load::{DEFAULT_ORIGIN, Effective};
use super::nearest::nearest;
use super::table::{is_section, variable};

/// Every fault of a configuration; there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    lines: Vec<String>,
}

impl Faults {
    /// Returns `Ok` if there is no line.
    pub(super) fn check(lines: Vec<String>) -> Result<(), Self> {
        if lines.is_empty() {
            Ok(())
        } else {
            Err(Self { lines })
        }
    }

    /// Returns the faults, each a line without line break at its end.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for Faults {}

/// Says which value a setting has and where it came from.
pub(super) fn seen(setting: &Effective) -> String {
    /// Longer values are cut: a fault is one line.
    const MAX_SHOWN: usize = 120;
    let Effective {
        key,
        variable,
        value,
        origin,
    } = setting;
    let source = match origin.as_str() {
        DEFAULT_ORIGIN => "by default".to_owned(),
        origin if origin == variable => "in the environment".to_owned(),
        origin => format!("in {origin}"),
    };
    let cut = value
        .char_indices()
        .nth(MAX_SHOWN)
        .map_or(value.as_str(), |(at, _)| &value[..at]);
    let more = if cut.len() < value.len() { "…" } else { "" };
    format!("{key} ({variable}) is {cut:?}{more} {source}")
}

/// Says that a file has a key that is no setting.
pub(super) fn unknown_key(key: &str, origin: &str) -> String {
    // The key comes from a file and is printed as one line whatever it holds.
    let shown = key.escape_debug();
    if is_section(key) {
        return format!("{shown} in {origin} is a section: write [{shown}] and its settings below");
    }
    format!(
        "{shown} in {origin} is no setting{}",
        did_you_mean(nearest(key).map(str::to_owned))
    )
}

/// Says that a variable begins as ours do and is no setting.
pub(super) fn unknown_variable(name: &str, prefix: &str) -> String {
    let shown = name.escape_debug();
    let key = name[prefix.len()..].to_ascii_lowercase().replace("__", ".");
    if is_section(&key) {
        return format!(
            "{shown} in the environment is a section: its settings are {}",
            variable(&format!("{key}.…"))
        );
    }
    let found = nearest(&key).map(|key| match key {
        "config" => "MADANG_CONFIG".to_owned(),
        key => variable(key),
    });
    format!(
        "{shown} in the environment is no setting{}",
        did_you_mean(found)
    )
}

fn did_you_mean(found: Option<String>) -> String {
    found.map_or_else(String::new, |found| format!("; did you mean {found}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effective(value: &str, origin: &str) -> Effective {
        Effective {
            key: "log.filter",
            variable: "MADANG_LOG__FILTER".to_owned(),
            value: value.to_owned(),
            origin: origin.to_owned(),
        }
    }

    #[test]
    fn a_value_is_shown_with_its_origin_on_one_line() {
        let rows = [
            ("info", "default", "is \"info\" by default"),
            (
                "a\nb",
                "MADANG_LOG__FILTER",
                "is \"a\\nb\" in the environment",
            ),
            ("", "file /etc/m.toml", "is \"\" in file /etc/m.toml"),
        ];
        for (value, origin, expected) in rows {
            assert_eq!(
                seen(&effective(value, origin)),
                format!("log.filter (MADANG_LOG__FILTER) {expected}")
            );
        }
        let long = seen(&effective(&"가".repeat(500), "default"));
        assert_eq!(long.matches('가').count(), 120);
        assert!(long.contains("\"… by default"), "{long}");
    }

    #[test]
    fn unknown_names_get_the_nearest_known_one() {
        assert_eq!(
            unknown_key("limits.room", "file m.toml"),
            "limits.room in file m.toml is no setting; did you mean limits.rooms?"
        );
        assert_eq!(
            unknown_key("redis", "file m.toml"),
            "redis in file m.toml is a section: write [redis] and its settings below"
        );
        assert_eq!(
            unknown_key("zzz\n", "file m.toml"),
            "zzz\\n in file m.toml is no setting"
        );
        let variables = [
            (
                "MADANG_REDIS_URL",
                " is no setting; did you mean MADANG_REDIS__URL?",
            ),
            (
                "MADANG_LISTEN",
                " is no setting; did you mean MADANG_SERVER__LISTEN?",
            ),
            (
                "madang_redis__url",
                " is no setting; did you mean MADANG_REDIS__URL?",
            ),
            (
                "MADANG_CONFG",
                " is no setting; did you mean MADANG_CONFIG?",
            ),
            (
                "MADANG_REDIS__PASSWORD",
                " is no setting; did you mean MADANG_REDIS__PASSWORD_FILE?",
            ),
            (
                "MADANG_REDIS",
                " is a section: its settings are MADANG_REDIS__…",
            ),
            ("MADANG_QUUX__FROB", " is no setting"),
        ];
        for (name, expected) in variables {
            assert_eq!(
                unknown_variable(name, "MADANG_"),
                format!("{name} in the environment{expected}")
            );
        }
    }
}
