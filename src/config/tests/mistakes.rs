//! Tests of configurations with faults: all of them told, one line each.

use super::*;

#[test]
fn all_faults_are_told_at_once() {
    let file = toml("[limits]\ntext = 'lots'\nrooms = 0\n[fleet]\ndebounce = '20s'\n[color]\n");
    let env = variables(&[
        ("MADANG_SERVER__LISTEN", "here"),
        ("MADANG_SERVER__LISTENN", "[::]:1"),
        ("MADANG_PORT", "8080"),
        ("MADANG_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("MADANG_LIMITS__FRAME_BYTES", "2MiB"),
    ]);
    let lines = faults_of(Settings::load(Some(&file.path), env));
    let path = file.path.display();
    let expected = [
        "MADANG_PORT in the environment is no setting".to_owned(),
        "MADANG_SERVER__LISTENN in the environment is no setting; did you mean MADANG_SERVER__LISTEN?".to_owned(),
        format!("color in file {path} is no setting"),
        "server.listen (MADANG_SERVER__LISTEN) is \"here\" in the environment; allowed is an IP address and a port, such as \
         [::]:8080 or 127.0.0.1:8080"
            .to_owned(),
        format!(
            "limits.text (MADANG_LIMITS__TEXT) is \"lots\" in file {path}; allowed is a whole number from 1 to 100000"
        ),
        format!("limits.rooms (MADANG_LIMITS__ROOMS) is \"0\" in file {path}; allowed is a whole number from 1 to 10000"),
        "limits.outbox_bytes (MADANG_LIMITS__OUTBOX_BYTES) is \"1MiB\" by default, limits.frame_bytes \
         (MADANG_LIMITS__FRAME_BYTES) is \"2MiB\" in the environment; an outbox must hold at least one frame of full size"
            .to_owned(),
        format!(
            "fleet.debounce (MADANG_FLEET__DEBOUNCE) is \"20s\" in file {path}, fleet.lease (MADANG_FLEET__LEASE) is \"10s\" by \
             default; the debounce must be shorter than the lease"
        ),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn every_fault_is_one_line() {
    let env = variables(&[
        ("MADANG_LOG__FILTER", "a\nb"),
        ("MADANG_REDIS__CA_FILE", "/a\nb"),
        ("MADANG_X\nY", "1"),
    ]);
    let faults = Settings::load(None, env).unwrap_err();
    assert_eq!(faults.lines().len(), 3);
    assert_eq!(faults.to_string().lines().count(), 3, "{faults}");
}

#[test]
fn keys_that_are_no_settings_are_faults_in_the_file() {
    let file = toml(
        "listen = 1\nserver = 5\n[redis]\npassword = 'hunter2'\n[limits.text]\nmax = 5\n[history.keep]\n[Fleet]\nlease = '9s'\n",
    );
    let lines = faults_of(Settings::load(Some(&file.path), Vec::new()));
    let path = file.path.display();
    let expected = [
        format!("Fleet.lease in file {path} is no setting; did you mean fleet.lease?"),
        format!("limits.text.max in file {path} is no setting; did you mean limits.text?"),
        format!("listen in file {path} is no setting; did you mean server.listen?"),
        format!("redis.password in file {path} is no setting; did you mean redis.password_file?"),
        format!("server in file {path} is a section: write [server] and its settings below"),
    ];
    assert_eq!(lines[..5], expected);
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert!(
        lines[5].starts_with("history.keep (MADANG_HISTORY__KEEP) is \"{…}\" in file "),
        "{lines:#?}"
    );
}

#[test]
fn an_unreadable_file_is_one_sentence_and_hides_no_other_fault() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing.toml");
    let env = variables(&[("MADANG_LIMITS__TEXT", "lots")]);
    let lines = faults_of(Settings::load(Some(&path), env));
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let path = path.display();
    assert_eq!(
        lines[0],
        format!(
            "file {path} cannot be read: No such file or directory (os error 2); --config or MADANG_CONFIG must name a \
             readable TOML file"
        )
    );
}

#[test]
fn a_syntax_error_names_file_and_line_and_does_not_repeat_the_line() {
    let rows = [
        ("[redis]\nurl = \"redis://:hunter2@h\n", "line 2, column "),
        ("[limits]\n\ntext = 0123\n", "line 3, column "),
        ("[limits]\ntext = 1\ntext = 2\n", "line 3, column "),
        ("[limits\n", "line 1, column "),
        ("[limits]\ntext = 99999999999999999999\n", ""),
    ];
    for (text, place) in rows {
        let file = toml(text);
        let lines = faults_of(Settings::load(Some(&file.path), Vec::new()));
        assert_eq!(lines.len(), 1, "{lines:#?}");
        let begin = format!("file {} is not valid TOML: {place}", file.path.display());
        assert!(lines[0].starts_with(&begin), "{lines:#?}");
        assert!(
            !lines[0].contains("hunter2") && !lines[0].contains('\n'),
            "{lines:#?}"
        );
        assert!(
            lines[0].len() > begin.len() + 5,
            "it says what is wrong: {lines:#?}"
        );
    }
}

#[test]
fn numbers_of_a_file_need_no_quotes_and_may_have_them() {
    let file = toml(
        "[limits]\ntext = 1_000\nrooms = '0x10'\nnames = 6.5\noutbox_bytes = 131072\nsessions = true\n",
    );
    let lines = faults_of(Settings::load(Some(&file.path), Vec::new()));
    let keys: Vec<_> = lines
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        keys,
        ["limits.names", "limits.rooms", "limits.sessions"],
        "{lines:#?}"
    );
}

#[test]
fn an_unreadable_file_of_a_setting_names_the_setting() {
    for name in [
        "REDIS__PASSWORD_FILE",
        "REDIS__CA_FILE",
        "IDENTITY__KEY_FILE",
    ] {
        let env = variables(&[(&format!("MADANG_{name}"), "/nowhere/to/be/found")]);
        let lines = faults_of(Settings::load(None, env));
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(
            lines[0].contains(name) && lines[0].contains("cannot be read: No such file"),
            "{lines:#?}"
        );
    }
}
