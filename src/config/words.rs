//! Settings that are texts: names, files, log filters.
//!
//! A file must be readable when the settings are checked, so that a wrong mount is told at start
//! and by name.

use std::fs;
use std::path::{Path, PathBuf};

use tracing_subscriber::EnvFilter;

use super::kinds::{Kind, Refusal};

/// A name of 1–64 ASCII letters, digits and some signs.
pub(super) struct Name(pub(super) &'static str);

impl Kind for Name {
    type Value = String;

    fn parse(&self, text: &str) -> Result<String, Refusal> {
        let fits = |symbol: char| symbol.is_ascii_alphanumeric() || self.0.contains(symbol);
        if (1..=64).contains(&text.len()) && text.chars().all(fits) {
            Ok(text.to_owned())
        } else {
            Err(Refusal::NotAllowed)
        }
    }

    fn allowed(&self) -> String {
        let signs: Vec<_> = self.0.chars().map(String::from).collect();
        format!("1 to 64 of A-Z a-z 0-9 {}", signs.join(" "))
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// The name of an ACL user: Redis forbids spaces and the NUL byte in it.
pub(super) struct UserName;

impl Kind for UserName {
    type Value = String;

    fn parse(&self, text: &str) -> Result<String, Refusal> {
        let forbidden = |symbol: char| symbol.is_whitespace() || symbol.is_control();
        if text.is_empty() || text.len() > 256 || text.contains(forbidden) {
            return Err(Refusal::NotAllowed);
        }
        Ok(text.to_owned())
    }

    fn allowed(&self) -> String {
        "a name of up to 256 bytes without white space".to_owned()
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// The path of a file that is there, can be read and is not empty.
pub(super) struct ReadableFile;

impl Kind for ReadableFile {
    type Value = PathBuf;

    fn parse(&self, text: &str) -> Result<PathBuf, Refusal> {
        let path = Path::new(text);
        let unreadable = |error| Refusal::Because(format!("the file cannot be read: {error}"));
        // Asked before opening, which would wait forever on a named pipe.
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(Refusal::Because("this is not a file".to_owned()));
        }
        fs::File::open(path).map_err(unreadable)?;
        if metadata.len() == 0 {
            return Err(Refusal::Because("the file is empty".to_owned()));
        }
        Ok(path.to_owned())
    }

    fn allowed(&self) -> String {
        "the path of a readable file that is not empty".to_owned()
    }

    fn show(&self, value: &PathBuf) -> String {
        value.display().to_string()
    }
}

/// What to log, in the syntax of `tracing_subscriber::EnvFilter`.
pub(super) struct Filter;

impl Filter {
    /// Returns true if a part is a word that is no level.
    /// `EnvFilter` takes it for a target, so that the typing error `inof` would silence everything
    /// else.
    fn is_stray_word(part: &str) -> bool {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        !part.contains('=') && !LEVELS.iter().any(|level| part.eq_ignore_ascii_case(level))
    }
}

impl Kind for Filter {
    type Value = String;

    fn parse(&self, text: &str) -> Result<String, Refusal> {
        if text.is_empty() {
            return Err(Refusal::NotAllowed);
        }
        // Commas within `[span{field=value,…}]` are no separators; a filter with spans is only
        // parsed.
        let parts: Vec<_> = text.split(',').map(str::trim).collect();
        let filter = if text.contains('[') {
            text.to_owned()
        } else if let Some(word) = parts.iter().find(|part| Self::is_stray_word(part)) {
            return Err(Refusal::Because(format!("{word:?} is no level")));
        } else {
            parts.join(",")
        };
        EnvFilter::builder()
            .parse(&filter)
            .map_err(|error| Refusal::Because(error.to_string()))?;
        Ok(filter)
    }

    fn allowed(&self) -> String {
        "a level (off, error, warn, info, debug, trace) and target=level parts, by commas"
            .to_owned()
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason<K: Kind>(kind: &K, text: &str) -> String {
        match kind.parse(text) {
            Ok(_) => format!("{text:?} is allowed"),
            Err(Refusal::NotAllowed) => String::new(),
            Err(Refusal::Because(reason)) => reason,
        }
    }

    #[test]
    fn names_keep_to_their_alphabet() {
        let kind = Name(":._-");
        let longest = "x".repeat(64);
        for text in ["madang", "a:b", "A-1._", longest.as_str()] {
            assert_eq!(kind.parse(text), Ok(text.to_owned()));
        }
        let too_long = "x".repeat(65);
        for text in ["", "a b", "a{b}", "마당", "a%", too_long.as_str()] {
            assert_eq!(kind.parse(text), Err(Refusal::NotAllowed), "{text:?}");
        }
        assert_eq!(kind.allowed(), "1 to 64 of A-Z a-z 0-9 : . _ -");
    }

    #[test]
    fn user_names_have_no_white_space() {
        assert_eq!(UserName.parse("chat@app"), Ok("chat@app".to_owned()));
        for text in ["", "a b", "a\0", &"x".repeat(257)] {
            assert_eq!(UserName.parse(text), Err(Refusal::NotAllowed), "{text:?}");
        }
    }

    #[test]
    fn a_file_must_be_there_and_hold_something() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        fs::write(path("good"), "x").unwrap();
        fs::write(path("empty"), "").unwrap();
        assert_eq!(ReadableFile.parse(&path("good")), Ok(path("good").into()));
        assert_eq!(reason(&ReadableFile, &path("empty")), "the file is empty");
        assert_eq!(reason(&ReadableFile, &path("")), "this is not a file");
        let missing = reason(&ReadableFile, &path("missing"));
        assert!(
            missing.starts_with("the file cannot be read: No such file"),
            "{missing}"
        );
    }

    #[test]
    fn filters_are_levels_and_targets() {
        for text in [
            "info",
            "WARN",
            "off",
            "info,madang=debug",
            "warn,madang::broker=trace",
            "info,madang[session{user.id}]=debug",
        ] {
            assert_eq!(Filter.parse(text), Ok(text.to_owned()));
        }
        assert_eq!(Filter.parse("warn , a=info"), Ok("warn,a=info".to_owned()));
        assert_eq!(reason(&Filter, "inof"), "\"inof\" is no level");
        assert_eq!(reason(&Filter, "info,madang"), "\"madang\" is no level");
        assert_eq!(reason(&Filter, ""), "");
        assert!(!reason(&Filter, "madang=loud").is_empty());
    }
}
