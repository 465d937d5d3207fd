//! Tests of secrets: used as they are, printed nowhere.

use super::*;

#[test]
fn secrets_are_hidden_everywhere() {
    let env = variables(&[("MADANG_REDIS__URL", "redis://chat:0123456@h:6379/1\n")]);
    let loaded = Settings::load(None, env).unwrap();
    let password = loaded.settings.redis.read_password().unwrap().unwrap();
    assert_eq!(password.expose(), "0123456", "it stays as it is");
    assert_eq!(loaded.settings.redis.user(), Some("chat"));
    assert_eq!(row(&loaded, "redis.url").value, "redis://chat:•••@h:6379/1");
    assert!(!format!("{loaded:?}").contains("0123456"));

    let env = variables(&[
        ("MADANG_REDIS__URL", "redis://chat:0123456@h:x"),
        ("MADANG_REDIS__PASSWORD", "0123456"),
        ("MADANG_REDIS_PASSWORD", "0123456"),
    ]);
    let faults = Settings::load(None, env).unwrap_err();
    assert_eq!(faults.lines().len(), 3, "{faults}");
    assert!(
        !format!("{faults} {faults:?}").contains("0123456"),
        "{faults}"
    );
}

#[test]
fn the_password_file_is_read_again_at_each_call() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    fs::write(&path, "0123456\n").unwrap();
    let name = path.display().to_string();
    let env = variables(&[
        ("MADANG_REDIS__URL", "redis://a:in-url@h"),
        ("MADANG_REDIS__USERNAME", "chat"),
        ("MADANG_REDIS__PASSWORD_FILE", &name),
    ]);
    let redis = Settings::load(None, env).unwrap().settings.redis;
    assert_eq!(redis.user(), Some("chat"));
    let rows = [
        ("0123456\n", "0123456"),
        ("new\r\n", "new"),
        ("two\n\n", "two\n"),
        (" x ", " x "),
    ];
    for (content, expected) in rows {
        fs::write(&path, content).unwrap();
        assert_eq!(
            redis.read_password().unwrap(),
            Some(Secret::new(expected.to_owned()))
        );
    }
    fs::write(&path, "\n").unwrap();
    assert!(redis.read_password().is_err());
    fs::remove_file(&path).unwrap();
    let error = redis.read_password().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("redis.password_file (MADANG_REDIS__PASSWORD_FILE): {name} gives no password")
    );
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "No such file or directory (os error 2)"
    );
}
