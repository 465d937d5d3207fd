//! The fields of one request frame, taken out and checked one by one.
//!
//! Every refusal repeats the request's id and room where these are good, names the field, and says what is right.
//! Null is the same as absent; fields that nobody asks for are ignored.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::errors::ErrorCode;
use super::ids::MAX_ID_BYTES;
use super::names::{NameFault, RoomName, UserName};
use super::refused::{Refused, RequestId};
use super::request::Limits;
use super::values::{Position, PositionFault};

/// All fields that any request has, not looked into yet.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    r#type: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    room: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    #[serde(borrow)]
    limit: Option<&'a RawValue>,
    #[serde(borrow)]
    cursor: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow)]
    client: Option<&'a RawValue>,
    #[serde(borrow)]
    features: Option<&'a RawValue>,
    #[serde(borrow)]
    moved_ms: Option<&'a RawValue>,
}

/// One request frame on its way to a [`super::Request`].
pub(super) struct Fields<'a> {
    raw: Raw<'a>,
    limits: &'a Limits,
    id: Option<RequestId>,
    room: Option<Result<RoomName, NameFault>>,
}

impl<'a> Fields<'a> {
    /// Reads a frame; faults of single fields show when these are asked for.
    pub(super) fn read(text: &'a str, limits: &'a Limits) -> Result<Self, Refused> {
        let refused = |error, message: String| Refused {
            id: None,
            room: None,
            error,
            field: None,
            message,
        };
        // Derived readers take arrays for objects too, so the brace is looked for here.
        let is_object = text.trim_start().starts_with('{');
        if !is_object {
            return Err(match serde_json::from_str::<&RawValue>(text) {
                Ok(_) => refused(
                    ErrorCode::BadType,
                    "a frame is a JSON object with a `type`".into(),
                ),
                Err(error) => refused(
                    ErrorCode::BadJson,
                    format!("the frame is not JSON: {error}"),
                ),
            });
        }
        let raw: Raw<'a> = serde_json::from_str(text).map_err(|error| {
            refused(
                ErrorCode::BadJson,
                format!("the frame is not good JSON: {error}"),
            )
        })?;
        let id = raw.id.and_then(RequestId::parse);
        let room = raw
            .room
            .and_then(string)
            .map(|room| RoomName::parse_within(&room, limits.names));
        Ok(Self {
            raw,
            limits,
            id,
            room,
        })
    }

    /// Returns the word in `type`, or none if there is no string.
    pub(super) fn kind(&self) -> Option<Cow<'a, str>> {
        self.raw.r#type.and_then(string)
    }

    /// Returns a refusal of this request.
    pub(super) fn refuse(
        &self,
        error: ErrorCode,
        field: Option<&'static str>,
        message: impl Into<String>,
    ) -> Refused {
        let room = match &self.room {
            Some(Ok(room)) => Some(room.as_str().to_owned()),
            _ => None,
        };
        Refused {
            id: self.id.clone(),
            room,
            error,
            field,
            message: message.into(),
        }
    }

    fn bad(&self, field: &'static str, rule: impl fmt::Display) -> Refused {
        self.refuse(
            ErrorCode::BadField,
            Some(field),
            format!("`{field}` {rule}"),
        )
    }

    fn missing(&self, field: &'static str) -> Refused {
        self.refuse(
            ErrorCode::MissingField,
            Some(field),
            format!("`{field}` is required"),
        )
    }

    /// Returns the id, which is required.
    pub(super) fn id(&self) -> Result<RequestId, Refused> {
        match (&self.id, self.raw.id) {
            (Some(id), _) => Ok(id.clone()),
            (None, Some(_)) => Err(self.bad("id", RequestId::RULE)),
            (None, None) => Err(self.missing("id")),
        }
    }

    /// Returns the room, which is required.
    pub(super) fn room(&self) -> Result<RoomName, Refused> {
        match (&self.room, self.raw.room) {
            (Some(Ok(room)), _) => Ok(room.clone()),
            (Some(Err(fault)), _) => Err(self.bad_name("room", *fault)),
            (None, Some(raw)) => Err(self.bad("room", rule_of_strings(raw))),
            (None, None) => Err(self.missing("room")),
        }
    }

    fn bad_name(&self, field: &'static str, fault: NameFault) -> Refused {
        self.refuse(
            ErrorCode::BadName,
            Some(field),
            format!("`{field}`: {fault}"),
        )
    }

    /// Returns the user's name, if there is one.
    pub(super) fn name(&self) -> Result<Option<UserName>, Refused> {
        let Some(name) = self.string("name", self.raw.name)? else {
            return Ok(None);
        };
        match UserName::parse_within(&name, self.limits.names) {
            Ok(name) => Ok(Some(name)),
            Err(fault) => Err(self.bad_name("name", fault)),
        }
    }

    /// Returns the user's name, which is required.
    pub(super) fn required_name(&self) -> Result<UserName, Refused> {
        self.name()?.ok_or_else(|| self.missing("name"))
    }

    /// Returns the text as it was sent, which is required.
    pub(super) fn text(&self) -> Result<Cow<'a, str>, Refused> {
        self.string("text", self.raw.text)?
            .ok_or_else(|| self.missing("text"))
    }

    /// Returns the key, which is required.
    pub(super) fn key(&self) -> Result<super::Key, Refused> {
        let key = self
            .string("key", self.raw.key)?
            .ok_or_else(|| self.missing("key"))?;
        super::Key::parse(&key).map_err(|fault| self.bad("key", fault))
    }

    /// Returns `after`, if there is one.
    pub(super) fn after(&self) -> Result<Option<Position>, Refused> {
        self.position("after", self.raw.after)
    }

    /// Returns `before`, if there is one.
    pub(super) fn before(&self) -> Result<Option<Position>, Refused> {
        self.position("before", self.raw.before)
    }

    /// Returns `limit`, from 1 to `most`; `default` if there is none.
    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, Refused> {
        let Some(raw) = self.raw.limit else {
            return Ok(default);
        };
        serde_json::from_str::<usize>(raw.get())
            .ok()
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| self.bad("limit", format_args!("must be an integer from 1 to {most}")))
    }

    /// Returns `cursor`, if there is one.
    pub(super) fn cursor(&self) -> Result<Option<String>, Refused> {
        let cursor = self.string("cursor", self.raw.cursor)?;
        Ok(cursor.map(Cow::into_owned))
    }

    /// Returns `token`, if there is one.
    pub(super) fn token(&self) -> Result<Option<String>, Refused> {
        let token = self.string("token", self.raw.token)?;
        Ok(token.map(Cow::into_owned))
    }

    /// Returns `client`, if there is one: a word for logs.
    pub(super) fn client(&self) -> Result<Option<String>, Refused> {
        let client = self.string("client", self.raw.client)?;
        match &client {
            Some(name) if !is_word(name) => Err(self.bad("client", super::ids::IdFault)),
            _ => Ok(client.map(Cow::into_owned)),
        }
    }

    /// Returns the words in `features`, none if there is none.
    pub(super) fn features(&self) -> Result<Vec<String>, Refused> {
        const MOST: usize = 32;
        let Some(raw) = self.raw.features else {
            return Ok(Vec::new());
        };
        decoded::<Vec<String>>(raw)
            .filter(|words| words.len() <= MOST && words.iter().all(|word| is_word(word)))
            .ok_or_else(|| {
                let rule = format_args!(
                    "must be a list of at most {MOST} strings of 1 to {MAX_ID_BYTES} bytes"
                );
                self.bad("features", rule)
            })
    }

    /// Returns `moved_ms`, if there is one.
    pub(super) fn moved_ms(&self) -> Result<Option<u64>, Refused> {
        let Some(raw) = self.raw.moved_ms else {
            return Ok(None);
        };
        let read = decoded(raw).map(Some);
        read.ok_or_else(|| self.bad("moved_ms", "must be an integer of milliseconds, 0 or more"))
    }

    fn string(
        &self,
        field: &'static str,
        raw: Option<&'a RawValue>,
    ) -> Result<Option<Cow<'a, str>>, Refused> {
        match raw {
            None => Ok(None),
            Some(raw) => match string(raw) {
                Some(text) => Ok(Some(text)),
                None => Err(self.bad(field, rule_of_strings(raw))),
            },
        }
    }

    fn position(
        &self,
        field: &'static str,
        raw: Option<&RawValue>,
    ) -> Result<Option<Position>, Refused> {
        match raw {
            None => Ok(None),
            Some(raw) if raw.get().starts_with('{') => match decoded(raw) {
                Some(position) => Ok(Some(position)),
                None => Err(self.bad(field, PositionFault)),
            },
            Some(_) => Err(self.bad(field, PositionFault)),
        }
    }
}

/// Returns the string that a JSON value is; none if it is none or holds half a surrogate pair.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let quoted = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    // The value is good JSON already: only what is escaped has to be read once more.
    if memchr::memchr(b'\\', quoted.as_bytes()).is_none() {
        return Some(Cow::Borrowed(quoted));
    }
    decoded(raw).map(Cow::Owned)
}

/// Returns what is wrong with a value that is not such a string.
fn rule_of_strings(raw: &RawValue) -> &'static str {
    if raw.get().starts_with('"') {
        r"has half of a surrogate pair, which is no character: \ud800 to \udfff stand in pairs"
    } else {
        "must be a string"
    }
}

fn decoded<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// Returns true if the string can be a feature or stand in a log line: 1 to 64 bytes, no control characters.
fn is_word(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}
