//! The keys of the HTTP API.

use super::report::Report;
use crate::config::Settings;
use crate::server::api::keys::Keys;

/// Reads the file of keys as a node does.
pub(super) fn look(settings: &Settings) -> Report {
    let Some(path) = &settings.api.keys_file else {
        return Report {
            title: "http api: no keys, so nobody may use it".to_owned(),
            ..Report::default()
        };
    };
    let mut report = Report {
        title: format!("http api {}", path.display()),
        ..Report::default()
    };
    match Keys::load(settings) {
        Ok(keys) => report.fact("keys", keys.len().to_string()),
        Err(error) => report.faults.push(error.to_string()),
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_and_their_faults_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut settings = Settings::default();
        assert!(look(&settings).title.contains("no keys"));
        settings.api.keys_file = Some(file.path().to_owned());
        assert_eq!(look(&settings).facts, [("keys", "0".to_owned())]);
        std::fs::write(file.path(), "[[key]]").unwrap();
        let faults = look(&settings).faults;
        assert!(faults[0].contains("MADANG_API__KEYS_FILE"), "{faults:?}");
    }
}
