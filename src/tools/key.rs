//! `madang key`: a new key of the HTTP API.
//!
//! What goes into the file of `api.keys_file` is printed on standard output, the key itself on standard error: it is
//! nowhere else, and cannot be told again.

use std::io::Write as _;

use serde::Serialize;

use crate::server::api::keys::{generate, judge};

/// Prints a new key with this name, rights and rooms.
///
/// # Errors
/// What is wrong with them, one sentence for a person.
pub fn run(name: &str, rights: &[String], rooms: &[String]) -> Result<(), String> {
    let (key, hash) =
        generate().map_err(|error| format!("the system gives no random numbers: {error}"))?;
    let entry = entry(name, &hash, rights, rooms);
    judge(entry.as_bytes()).map_err(|faults| faults.join("; "))?;
    std::io::stdout()
        .write_all(entry.as_bytes())
        .map_err(|error| format!("nothing can be written: {error}"))?;
    eprintln!("{key}");
    Ok(())
}

#[derive(Serialize)]
struct File<'a> {
    key: [Entry<'a>; 1],
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    sha256: [&'a str; 1],
    rights: &'a [String],
    rooms: &'a [String],
}

/// Returns the `[[key]]` of the file.
fn entry(name: &str, hash: &str, rights: &[String], rooms: &[String]) -> String {
    let key = Entry {
        name,
        sha256: [hash],
        rights,
        rooms,
    };
    toml::to_string(&File { key: [key] }).expect("strings become TOML")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_what_the_file_takes() {
        let (_, hash) = generate().unwrap();
        let rights = ["read".to_owned(), "publish".to_owned()];
        let rooms = ["배포-*".to_owned(), "say \"hi\"".to_owned()];
        let good = entry("배포 \"봇\"", &hash, &rights, &rooms);
        assert_eq!(judge(good.as_bytes()), Ok(1), "{good}");
        let bad = judge(entry("bot", &hash, &["write".to_owned()], &[]).as_bytes()).unwrap_err();
        assert_eq!(bad.len(), 2, "{bad:?}");
    }
}
