//! The file of keys: TOML, with one `[[key]]` for each, and all faults of it at once.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::Deserialize;

use super::{ApiKey, Hash, Rate, now, user_id};
use crate::protocol::{MAX_ID_BYTES, User, UserId, UserName};
use crate::session::Bucket;
use crate::session::permission::{Grant, RoomPattern};

/// Keys in a file, at most: each request is compared with all of them.
const MAX_KEYS: usize = 1_000;
/// Hashes that one key may have at a time: the old and the new one of a rotation.
const MAX_HASHES: usize = 2;
/// Least burst: a batch takes as many requests as it has messages.
const MIN_BURST: u32 = super::super::publish::MAX_BATCH;
const MAX_RATE: u32 = 100_000;

/// The key file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "api.keys_file (MADANG_API__KEYS_FILE): {path}: {}",
    .faults.join("; "),
    path = .path.display()
)]
pub struct KeysError {
    path: PathBuf,
    /// Each one sentence: where, what is wrong, what would be right.
    faults: Vec<String>,
}

impl KeysError {
    pub(super) fn new(path: &Path, faults: Vec<String>) -> Self {
        Self {
            path: path.to_owned(),
            faults,
        }
    }

    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::new(path, vec![format!("the file cannot be read: {error}")])
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: Vec<String>,
    rights: Vec<String>,
    rooms: Vec<String>,
    requests_per_second: Option<u32>,
    requests_burst: Option<u32>,
}

/// Reads the keys of a file, or all its faults; those without a rate of their own get `default_rate`.
pub(super) fn parse(content: &[u8], default_rate: Rate) -> Result<Vec<ApiKey>, Vec<String>> {
    let text = std::str::from_utf8(content).map_err(|_| vec!["it is not UTF-8".to_owned()])?;
    let file: File = toml::from_str(text).map_err(|error| {
        let before = &text[..error.span().map_or(0, |span| span.start).min(text.len())];
        let line = before.matches('\n').count() + 1;
        // Only the message: what stands in the file may be a key that somebody put there by mistake.
        vec![format!("line {line}: {}", error.message().trim())]
    })?;
    let mut faults = Faults(Vec::new());
    if file.key.len() > MAX_KEYS {
        faults.add("the file", format_args!("has more than {MAX_KEYS} keys"));
    }
    let keys: Vec<_> = file
        .key
        .iter()
        .filter_map(|entry| read(entry, default_rate, &mut faults))
        .collect();
    faults.find_doubles(&keys);
    if faults.0.is_empty() {
        Ok(keys)
    } else {
        Err(faults.0)
    }
}

struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, of: &str, what: impl fmt::Display) {
        self.0.push(format!("{of} {what}"));
    }

    fn find_doubles(&mut self, keys: &[ApiKey]) {
        let mut owners: HashMap<Hash, &str> = HashMap::new();
        let mut names: HashMap<&str, ()> = HashMap::new();
        for key in keys {
            let name = key.user.name.as_str();
            if names.insert(name, ()).is_some() {
                self.add(
                    &of(name),
                    "stands there twice; each key has a name of its own",
                );
            }
            for hash in &key.hashes {
                if owners.insert(*hash, name).is_some() {
                    self.add(&of(name), "has a `sha256` that stands there twice");
                }
            }
        }
    }
}

/// Returns one key, or notes everything that is wrong with it.
fn read(entry: &Entry, default_rate: Rate, faults: &mut Faults) -> Option<ApiKey> {
    let of = of(&entry.name);
    let known = faults.0.len();
    let name = match UserName::parse(&entry.name) {
        Ok(name) => Some(name),
        Err(fault) => {
            faults.add(&of, format_args!("needs another `name`: {fault}"));
            None
        }
    };
    let id = name.as_ref().and_then(|name| user_id(name.as_str()));
    if name.is_some() && id.is_none() {
        let most = MAX_ID_BYTES - UserId::API_PREFIX.len();
        faults.add(&of, format_args!("needs a `name` of at most {most} bytes"));
    }
    let hashes = hashes(&of, &entry.sha256, faults);
    let grant = grant(&of, entry, faults);
    let rate = rate(&of, entry, default_rate, faults);
    if faults.0.len() > known {
        return None;
    }
    Some(ApiKey {
        user: User {
            id: id?,
            name: name?,
            bot: Some(true),
        },
        grant,
        hashes,
        rate,
        bucket: Arc::new(Mutex::new(Bucket::new(rate.per_second, rate.burst, now()))),
    })
}

fn of(name: &str) -> String {
    format!("key {name:?}")
}

fn hashes(of: &str, raw: &[String], faults: &mut Faults) -> Vec<Hash> {
    if raw.is_empty() || raw.len() > MAX_HASHES {
        faults.add(of, format_args!("needs 1 to {MAX_HASHES} `sha256`"));
    }
    let hashes: Vec<_> = raw.iter().filter_map(|digits| hash(digits)).collect();
    if hashes.len() < raw.len() {
        faults.add(of, "has a `sha256` that is not 64 hexadecimal digits; `madang key` makes a key with its own");
    }
    hashes
}

fn hash(digits: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if digits.len() != 2 * hash.len() || !digits.is_ascii() {
        return None;
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        let pair = &digits[2 * index..2 * index + 2];
        // A sign would pass as a number.
        if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(hash)
}

fn grant(of: &str, entry: &Entry, faults: &mut Faults) -> Grant {
    let mut grant = Grant {
        may_read: false,
        may_publish: false,
        rooms: Vec::new(),
    };
    for right in &entry.rights {
        match right.as_str() {
            "read" => grant.may_read = true,
            "publish" => grant.may_publish = true,
            other => faults.add(
                of,
                format_args!("has an unknown right {other:?}; there are \"read\" and \"publish\""),
            ),
        }
    }
    if entry.rights.is_empty() {
        faults.add(of, "needs `rights`: \"read\", \"publish\" or both");
    }
    if entry.rooms.is_empty() {
        faults.add(of, "needs `rooms`: names, or patterns such as \"deploy-*\"");
    }
    for raw in &entry.rooms {
        match RoomPattern::parse(raw) {
            Ok(pattern) => grant.rooms.push(pattern),
            Err(fault) => faults.add(of, format_args!("names the room {raw:?}: {fault}")),
        }
    }
    grant
}

fn rate(of: &str, entry: &Entry, default: Rate, faults: &mut Faults) -> Rate {
    let rate = Rate {
        per_second: entry.requests_per_second.unwrap_or(default.per_second),
        burst: entry.requests_burst.unwrap_or(default.burst),
    };
    if rate.per_second > MAX_RATE {
        faults.add(
            of,
            format_args!("needs `requests_per_second` of at most {MAX_RATE}"),
        );
    }
    if !(MIN_BURST..=MAX_RATE).contains(&rate.burst) {
        faults.add(
            of,
            format_args!("needs `requests_burst` of {MIN_BURST} to {MAX_RATE}"),
        );
    }
    rate
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 10,
        burst: 100,
    };

    fn faults(content: &str) -> Vec<String> {
        parse(content.as_bytes(), RATE).err().unwrap_or_default()
    }

    #[test]
    fn a_file_without_keys_and_one_with_every_field_are_good() {
        assert_eq!(faults(""), [""; 0]);
        let hash = "aB".repeat(32);
        let whole = format!(
            "[[key]]\nname = \"배포 봇\"\nsha256 = [\"{hash}\"]\nrights = [\"read\", \"publish\"]\n\
             rooms = [\"ops\", \"deploy-*\"]\nrequests_per_second = 0\nrequests_burst = 1000\n"
        );
        let keys = parse(whole.as_bytes(), RATE).unwrap();
        assert_eq!(keys[0].user.id.as_str(), "api:배포 봇");
        assert_eq!(keys[0].hashes, [[0xab; 32]]);
        assert_eq!(keys[0].rate.burst, 1000);
    }

    #[test]
    fn all_faults_are_told_at_once_and_by_name() {
        let hash = "0".repeat(64);
        let content = format!(
            "[[key]]\nname = \"a\"\nsha256 = [\"{hash}\"]\nrights = [\"write\"]\nrooms = [\"a/b\"]\n\
             [[key]]\nname = \" \"\nsha256 = []\nrights = []\nrooms = []\nrequests_burst = 1\n\
             [[key]]\nname = \"{long}\"\nsha256 = [\"+f{short}\"]\nrights = [\"read\"]\nrooms = [\"*\"]\n\
             [[key]]\nname = \"b\"\nsha256 = [\"{hash}\"]\nrights = [\"read\"]\nrooms = [\"*\"]\n\
             [[key]]\nname = \"b\"\nsha256 = [\"{hash}\"]\nrights = [\"read\"]\nrooms = [\"*\"]\n",
            long = "한".repeat(30),
            short = "0".repeat(62),
        );
        let told = faults(&content).join("\n");
        for part in [
            "key \"a\" has an unknown right \"write\"",
            "key \"a\" names the room \"a/b\"",
            "key \" \" needs another `name`",
            "key \" \" needs 1 to 2 `sha256`",
            "key \" \" needs `rights`",
            "key \" \" needs `rooms`",
            "key \" \" needs `requests_burst` of 100",
            "needs a `name` of at most 60 bytes",
            "is not 64 hexadecimal digits",
            "key \"b\" stands there twice",
            "key \"b\" has a `sha256` that stands there twice",
        ] {
            assert!(told.contains(part), "{part}\n{told}");
        }
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line_and_without_its_content() {
        let told = faults("[[key]]\nname = \"a\"\nsecret = \"hunter2\"\n").join("");
        assert!(told.starts_with("line 3: unknown field `secret`"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
        let told = faults("[[key]]\nname = hunter2\n").join("");
        assert!(told.starts_with("line 2: "), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
        let told = parse(b"\xff", RATE).err().unwrap();
        assert_eq!(
            KeysError::new(Path::new("k"), told).to_string(),
            "api.keys_file (MADANG_API__KEYS_FILE): k: it is not UTF-8"
        );
    }
}
