//! A settings file and, behind a NUL, variables as lines `NAME=value`: taken, or every fault told in one line each.

#![no_main]

use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use madang::config::Settings;
use tempfile::NamedTempFile;

static FILE: LazyLock<Mutex<NamedTempFile>> =
    LazyLock::new(|| Mutex::new(NamedTempFile::new().expect("a temporary file")));

fuzz_target!(|input: &[u8]| {
    let (toml, lines) = match input.iter().position(|byte| *byte == 0) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[][..]),
    };
    let lines = String::from_utf8_lossy(lines);
    // Files that a value names are outside of this: only those that do not exist may be tried.
    let variables = lines
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| *name != "MADANG_CONFIG")
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut file = FILE.lock().expect("nobody panicked with it");
    file.as_file().set_len(0).expect("it is ours");
    file.seek(SeekFrom::Start(0)).expect("it is a file");
    file.write_all(toml).expect("there is space");
    match Settings::load(Some(file.path()), variables) {
        Ok(loaded) => assert!(!loaded.effective.is_empty()),
        Err(faults) => {
            assert!(faults.lines().len() > 0);
            assert!(faults.lines().all(|line| !line.is_empty()));
        }
    }
});
