//! Which known name somebody meant.
//!
//! Names are compared without their separators' kinds and without case, so that `MADANG_REDIS_URL`
//! finds `redis.url`.

use super::sections::TABLE;

/// Returns the key of the setting that is nearest to an unknown one (`section.name`, or any other
/// text), or `config` for the variable `MADANG_CONFIG`; `None` if nothing is near.
pub(super) fn nearest(unknown: &str) -> Option<&'static str> {
    let known = TABLE.iter().map(|setting| setting.key).chain(["config"]);
    known
        .filter_map(|key| Some((strangeness(unknown, key)?, key)))
        .min_by_key(|(strangeness, _)| *strangeness)
        .map(|(_, key)| key)
}

/// Returns how far a name is from a key, `None` if too far.
fn strangeness(unknown: &str, key: &str) -> Option<usize> {
    let (flat, flat_key) = (flatten(unknown), flatten(key));
    if flat == flat_key {
        return Some(0);
    }
    // The right name in no section or in the wrong one.
    let name = |key: &str| flatten(key.rsplit('.').next().unwrap_or_default());
    if name(unknown) == name(key) {
        return Some(1);
    }
    // A name cut short or too long. What has three letters begins too many names.
    if flat.len() > 3 && (flat_key.starts_with(&flat) || flat.starts_with(&flat_key)) {
        return Some(2);
    }
    let distance = edits(&flat, &flat_key);
    (distance <= flat_key.len() / 4).then_some(distance + 2)
}

fn flatten(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words: Vec<_> = lower
        .split(['.', '-', '_'])
        .filter(|word| !word.is_empty())
        .collect();
    words.join("_")
}

/// Returns how many letters must be put in, taken out or replaced to make one text the other
/// (Levenshtein).
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, symbol) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (at, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(symbol != *other);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(edits(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn likely_names_are_found() {
        let rows = [
            ("limits.sesions", Some("limits.sessions")),
            ("limits.session", Some("limits.sessions")),
            ("limits.lease", Some("fleet.lease")),
            ("Server.Listen", Some("server.listen")),
            ("limits.frame-bytes", Some("limits.frame_bytes")),
            ("redis.password", Some("redis.password_file")),
            ("redis.urll", Some("redis.url")),
            ("history.keeep", Some("history.keep")),
            ("limits.send_burts", Some("limits.send_burst")),
            ("colour", None),
            ("x", None),
            ("", None),
        ];
        for (unknown, expected) in rows {
            assert_eq!(nearest(unknown), expected, "{unknown}");
        }
    }
}
