//! Tests of loading as a whole: defaults, precedence, origins, lists, the table.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::sections::TABLE;
use super::*;

mod mistakes;
mod secrets;

/// A directory with a settings file.
struct Toml {
    _directory: TempDir,
    path: PathBuf,
}

fn toml(text: &str) -> Toml {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("madang.toml");
    fs::write(&path, text).unwrap();
    Toml {
        _directory: directory,
        path,
    }
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn faults_of(loaded: Result<Loaded, Faults>) -> Vec<String> {
    loaded.unwrap_err().lines().map(str::to_owned).collect()
}

fn row<'l>(loaded: &'l Loaded, key: &str) -> &'l Effective {
    loaded.effective.iter().find(|row| row.key == key).unwrap()
}

#[test]
fn defaults_are_allowed_and_shown_as_they_are_written() {
    let loaded = Settings::load(None, Vec::new()).unwrap();
    assert_eq!(loaded.effective.len(), TABLE.len());
    for (row, setting) in loaded.effective.iter().zip(TABLE) {
        assert_eq!(
            (row.key, row.value.as_str()),
            (setting.key, setting.default)
        );
        assert_eq!(row.origin, "default", "{}", row.key);
    }
    let settings = Settings::default();
    assert_eq!(settings.server.listen.to_string(), "[::]:8080");
    assert_eq!(settings.server.allowed_origins, Origins::SameHost);
    assert_eq!(settings.redis.url, None);
    assert_eq!(settings.limits.outbox_bytes, 1024 * 1024);
    assert_eq!(
        settings.identity.token_life,
        Duration::from_secs(90 * 86_400)
    );
    assert_eq!(settings.log.format, LogFormat::Auto);
}

#[test]
fn a_variable_comes_before_the_file_and_the_file_before_the_default() {
    let file = toml("[limits]\ntext = 100\nrooms = 7\n[history]\nkeep = '2d'\n");
    let env = variables(&[
        ("MADANG_LIMITS__TEXT", "200"),
        ("MADANG_LIMITS__ROOMS", ""),
        ("PATH", "/bin"),
    ]);
    let loaded = Settings::load(Some(&file.path), env).unwrap();
    assert_eq!(loaded.settings.limits.text, 200);
    assert_eq!(
        loaded.settings.limits.rooms, 7,
        "an empty variable is one that is not set"
    );
    assert_eq!(
        loaded.settings.history.keep,
        Duration::from_secs(2 * 86_400)
    );
    assert_eq!(loaded.settings.limits.names, 64);

    let from_file = format!("file {}", file.path.display());
    let expected = [
        (
            "limits.text",
            "200",
            "MADANG_LIMITS__TEXT",
            "MADANG_LIMITS__TEXT",
        ),
        (
            "limits.rooms",
            "7",
            from_file.as_str(),
            "MADANG_LIMITS__ROOMS",
        ),
        (
            "history.keep",
            "2d",
            from_file.as_str(),
            "MADANG_HISTORY__KEEP",
        ),
        ("limits.names", "64", "default", "MADANG_LIMITS__NAMES"),
    ];
    for (key, value, origin, variable) in expected {
        let row = row(&loaded, key);
        assert_eq!(
            (
                row.value.as_str(),
                row.origin.as_str(),
                row.variable.as_str()
            ),
            (value, origin, variable)
        );
    }
}

#[test]
fn a_variable_repairs_what_is_wrong_in_the_file() {
    let file = toml("[limits]\ntext = 'lots'\n");
    let env = variables(&[("MADANG_LIMITS__TEXT", "200")]);
    assert_eq!(
        Settings::load(Some(&file.path), env)
            .unwrap()
            .settings
            .limits
            .text,
        200
    );
}

#[test]
fn the_variable_names_the_file_unless_the_caller_does() {
    let (one, other) = (toml("[limits]\nrooms = 1\n"), toml("[limits]\nrooms = 2\n"));
    let named = one.path.display().to_string();
    let env = variables(&[("MADANG_CONFIG", &named)]);
    assert_eq!(
        Settings::load(None, env.clone())
            .unwrap()
            .settings
            .limits
            .rooms,
        1
    );
    assert_eq!(
        Settings::load(Some(&other.path), env)
            .unwrap()
            .settings
            .limits
            .rooms,
        2
    );
    let empty = variables(&[("MADANG_CONFIG", "")]);
    assert_eq!(
        Settings::load(None, empty).unwrap().settings.limits.rooms,
        50
    );
}

#[test]
fn lists_are_commas_or_arrays() {
    let expected = Origins::Only(vec!["https://a.example".to_owned(), "http://b".to_owned()]);
    let file = toml(
        "[server]\nallowed_origins = ['https://a.example', 'http://b']\ntrusted_proxies = ['10.0.0.0/8', '::1']\n",
    );
    let loaded = Settings::load(Some(&file.path), Vec::new()).unwrap();
    assert_eq!(loaded.settings.server.allowed_origins, expected);
    assert_eq!(
        row(&loaded, "server.trusted_proxies").value,
        "10.0.0.0/8, ::1/128"
    );

    let file =
        toml("[server]\nallowed_origins = 'https://a.example, http://b'\ntrusted_proxies = []\n");
    let loaded = Settings::load(Some(&file.path), Vec::new()).unwrap();
    assert_eq!(loaded.settings.server.allowed_origins, expected);
    assert!(loaded.settings.server.trusted_proxies.is_empty());

    let env = variables(&[(
        "MADANG_SERVER__ALLOWED_ORIGINS",
        "https://a.example,http://b",
    )]);
    let loaded = Settings::load(None, env).unwrap();
    assert_eq!(loaded.settings.server.allowed_origins, expected);
}

#[test]
fn the_table_for_the_readme_has_every_setting() {
    let table = markdown_table();
    assert_eq!(table.lines().count(), TABLE.len() + 2);
    for line in table.lines() {
        assert_eq!(line.replace("\\|", "").matches('|').count(), 5, "{line}");
    }
    let row = "| `limits.text`<br>`MADANG_LIMITS__TEXT` | `4000` | Code points in the text of a message, at most. | \
               a whole number from 1 to 100000 |";
    assert!(table.lines().any(|line| line == row), "{table}");
    let meanings = TABLE.iter().map(|setting| setting.meaning.trim());
    assert!(meanings.clone().all(|meaning| meaning.ends_with('.')));
}

#[test]
fn the_variables_of_the_process_can_be_loaded() {
    assert!(process_variables().any(|(name, _)| name == "PATH"));
}

#[test]
fn a_text_of_digits_stays_as_it_is() {
    let env = variables(&[
        ("MADANG_REDIS__PREFIX", "0123456"),
        ("MADANG_SERVER__NODE_NAME", "TRUE"),
    ]);
    let settings = Settings::load(None, env).unwrap().settings;
    assert_eq!(settings.redis.prefix, "0123456");
    assert_eq!(settings.server.node_name.as_deref(), Some("TRUE"));
}
