//! Printing a text that was refused as a URL.

use super::super::secret::HIDDEN;

/// Hides what may be a password in a text that may be no URL at all; when in doubt, it hides more.
pub(super) fn password(text: &str) -> String {
    let (scheme, rest) = match text.find("://") {
        Some(at) => text.split_at(at + 3),
        None => ("", text),
    };
    if let Some((user_info, host)) = rest.rsplit_once('@') {
        let user = user_info
            .split_once(':')
            .map(|(user, _)| format!("{user}:"));
        return format!(
            "{scheme}{}{HIDDEN}@{}",
            user.unwrap_or_default(),
            hide_after(host, &['?', '#'])
        );
    }
    // Without an `@`, what follows a colon and is no port may be the password of `user:password`
    // with its host lost.
    let authority = rest.split('/').next().unwrap_or_default();
    let mut before = 0;
    for part in authority.split(',') {
        if let Some((host, port)) = part.split_once(':')
            && !part.starts_with('[')
            && !port.bytes().all(|byte| byte.is_ascii_digit())
        {
            let seen = &authority[..before + host.len()];
            return format!("{scheme}{seen}:{HIDDEN}");
        }
        before += part.len() + 1;
    }
    format!("{scheme}{}", hide_after(rest, &['?', '#']))
}

/// Hides what follows the first of the marks.
fn hide_after(text: &str, marks: &[char]) -> String {
    match text.find(marks) {
        Some(at) => format!("{}{HIDDEN}", &text[..=at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_url_hides_its_password() {
        let rows = [
            ("redis://chat:hunter2@h:0", "redis://chat:•••@h:0"),
            ("redis://:hun#t?er/2@h", "redis://:•••@h"),
            ("redis://hun@ter2@h", "redis://•••@h"),
            ("chat:hunter2@h", "chat:•••@h"),
            ("redis://chat:hunter2", "redis://chat:•••"),
            ("redis://:hunter2", "redis://:•••"),
            ("redis://h:6379/0?password=hunter2", "redis://h:6379/0?•••"),
            (
                "redis+sentinel://u:hunter2@a:1,b:2/m",
                "redis+sentinel://u:•••@a:1,b:2/m",
            ),
            ("localhost:6379", "localhost:6379"),
            ("redis://a:1,b:2", "redis://a:1,b:2"),
            ("redis://a:1,chat:hunter2", "redis://a:1,chat:•••"),
            ("redis://[::1]:0", "redis://[::1]:0"),
        ];
        for (text, expected) in rows {
            assert_eq!(password(text), expected, "{text:?}");
        }
    }
}
