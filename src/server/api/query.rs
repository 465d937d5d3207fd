//! The parameters behind the `?`: each at most once, none that is not known.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::refusal::Refusal;
use crate::protocol::ErrorCode;

/// The longest unknown name that a refusal repeats, in characters.
const SHOWN: usize = 64;

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Query<'a>(BTreeMap<Cow<'a, str>, Cow<'a, str>>);

impl<'a> Query<'a> {
    /// Takes a query apart.
    pub(super) fn read(query: Option<&'a str>, known: &[&str]) -> Result<Self, Refusal> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                return Err(unknown(&name, known));
            }
            if parameters.contains_key(&name) {
                let message = format!("`{name}` stands there twice");
                return Err(bad(&name, message));
            }
            parameters.insert(name, value);
        }
        Ok(Self(parameters))
    }

    /// Returns a parameter as it was sent.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Cow::as_ref)
    }

    /// Returns a parameter that is an integer within bounds.
    pub(super) fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let digits = text.bytes().all(|digit| digit.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && (least..=most).contains(&number) => Ok(Some(number)),
            _ => {
                let message = format!("`{name}` must be an integer from {least} to {most}");
                Err(bad(name, message))
            }
        }
    }

    /// Returns `limit`, from 1 to `most`; `default` if there is none.
    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, Refusal> {
        let limit = self.number("limit", 1, most as u64)?;
        Ok(limit.map_or(default, |limit| usize::try_from(limit).unwrap_or(most)))
    }
}

fn unknown(name: &str, known: &[&str]) -> Refusal {
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    bad(
        name,
        format!("the query has an unknown parameter; known here: {known}"),
    )
}

/// Refuses a parameter.
pub(super) fn bad(name: &str, message: String) -> Refusal {
    let shown: String = name.chars().take(SHOWN).collect();
    Refusal::of_field(ErrorCode::BadField, shown, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 2] = ["limit", "epoch"];

    fn read(query: &str) -> Result<Query<'_>, Refusal> {
        Query::read(Some(query), &KNOWN)
    }

    #[test]
    fn values_are_decoded_and_bounded() {
        let query = read("epoch=a%2Bb+c&limit=20").unwrap();
        assert_eq!(query.text("epoch"), Some("a+b c"));
        assert_eq!(query.limit(50, 200).unwrap(), 20);
        assert_eq!(read("").unwrap().limit(50, 200).unwrap(), 50);
        for bad in [
            "0",
            "201",
            "+5",
            "-1",
            "1.5",
            "",
            "x",
            "18446744073709551616",
        ] {
            let query = format!("limit={bad}");
            let refusal = read(&query).unwrap().limit(50, 200).unwrap_err();
            assert_eq!(refusal.field.as_deref(), Some("limit"));
            assert!(refusal.message.contains("1 to 200"), "{bad}");
        }
    }

    #[test]
    fn what_is_unknown_or_doubled_is_named() {
        for (query, field) in [
            ("limits=1", "limits"),
            ("limit=1&limit=1", "limit"),
            ("verbose", "verbose"),
        ] {
            assert_eq!(
                read(query).unwrap_err().field.as_deref(),
                Some(field),
                "{query}"
            );
        }
        assert!(
            Query::read(Some("a=1"), &[])
                .unwrap_err()
                .message
                .ends_with("none")
        );
        assert!(Query::read(None, &[]).is_ok());
    }
}
