//! The OpenAPI 3.1 document, generated from the handlers and their types.
//!
//! What depends on the settings, such as the longest text, is put in when the node starts.

use std::collections::BTreeMap;

use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, ExternalDocs, HeaderBuilder, InfoBuilder, OpenApi, Ref, RefOr, Response,
    ResponseBuilder, SecurityRequirement, Tag,
};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use super::super::refusal::{DOCUMENT, PROBLEM_JSON, Problem};
use crate::protocol::{ErrorCode, Limits, User};

/// Name of the security scheme in the document.
const SCHEME: &str = "key";

/// A message of a room, as the `message` frame of the protocol: later versions may add members.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is spliced from the log")]
pub(super) struct Message {
    /// Always `message`.
    #[schema(pattern = "^message$")]
    r#type: String,
    /// Canonical name of the room.
    room: String,
    /// Lineage of the room's log that `seq` belongs to.
    epoch: String,
    /// Number in the room.
    #[schema(minimum = 1)]
    seq: u64,
    /// When the broker took it, in Unix milliseconds.
    at: u64,
    /// The sender's own name for it.
    #[schema(required = false, nullable = false)]
    key: Option<String>,
    /// Who sent it.
    #[schema(required = false, nullable = false)]
    user: Option<User>,
    /// What sort of entry it is; text if it is left out.
    #[schema(required = false, nullable = false)]
    kind: Option<String>,
    /// What it says.
    #[schema(required = false, nullable = false)]
    text: Option<String>,
}

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .enum_values(Some(Self::ALL.map(Self::as_str)))
            .into()
    }
}

impl ToSchema for ErrorCode {}

/// How a question may be refused.
pub(super) struct ReadProblems;

/// How a question about the node or the fleet may be refused.
pub(super) struct NodeProblems;

/// How messages to send may be refused.
pub(super) struct WriteProblems;

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 429, 503])
    }
}

impl IntoResponses for NodeProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 429, 503])
    }
}

impl IntoResponses for WriteProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 408, 409, 413, 415, 429, 503, 504])
    }
}

fn problems(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    let all = statuses
        .iter()
        .map(|status| (status.to_string(), RefOr::T(problem(*status))));
    all.collect()
}

fn problem(status: u16) -> Response {
    let (says, header) = match status {
        400 => ("The request has a fault; `field` names it.", None),
        401 => (
            "There is no key, or a wrong one.",
            Some(("WWW-Authenticate", "How to send a key.", text())),
        ),
        403 => ("The key has no right to do this in this room.", None),
        408 => ("The body did not arrive in time.", None),
        409 => ("The key was used for another text.", None),
        413 => ("The text or the body is too long.", None),
        415 => ("The body is not announced as JSON.", None),
        429 => (
            "The key has asked too often.",
            Some(("Retry-After", "Seconds to wait.", seconds())),
        ),
        503 => (
            "The broker or the node cannot take it now.",
            Some(("Retry-After", "Seconds to wait.", seconds())),
        ),
        _ => (
            "No answer in time; it may have been done, so repeat it with the same key.",
            Some(("Retry-After", "Seconds to wait.", seconds())),
        ),
    };
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Problem::name())))
        .build();
    let mut response = ResponseBuilder::new()
        .description(says)
        .content(PROBLEM_JSON, content);
    if let Some((name, meaning, schema)) = header {
        let header = HeaderBuilder::new()
            .schema(Some(schema))
            .description(Some(meaning))
            .build();
        response = response.header(name, header);
    }
    response.build()
}

fn text() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .build()
        .into()
}

fn seconds() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .minimum(Some(1))
        .build()
        .into()
}

/// Completes what the handlers have told of themselves.
pub(super) fn complete(mut document: OpenApi, limits: &Limits) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("madang HTTP API")
        .version(crate::VERSION)
        .description(Some(
            "For bots: send messages, catch up with rooms, see who is there and how the fleet stands. Every refusal is \
             a problem document (RFC 9457).",
        ))
        .build();
    document.external_docs = Some(ExternalDocs::new(DOCUMENT));
    document.tags = Some(vec![
        tag("messages", "Sending and reading."),
        tag("rooms", "Rooms and their members."),
        tag("nodes", "The node that answers, and the fleet."),
    ]);
    document.security = Some(vec![SecurityRequirement::new(SCHEME, [] as [&str; 0])]);
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(
        SCHEME,
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("A key of the HTTP API; `madang key` makes one."))
                .build(),
        ),
    );
    let schemas = &mut components.schemas;
    for (name, schema) in [Problem::name(), ErrorCode::name()]
        .into_iter()
        .zip([Problem::schema(), ErrorCode::schema()])
    {
        schemas.insert(name.into_owned(), schema);
    }
    if let Some(RefOr::T(Schema::Object(message))) = schemas.get_mut("NewMessage")
        && let Some(RefOr::T(Schema::Object(text))) = message.properties.get_mut("text")
    {
        text.max_length = Some(limits.text);
    }
    document
}

fn tag(name: &str, description: &str) -> Tag {
    let mut tag = Tag::new(name);
    tag.description = Some(description.to_owned());
    tag
}
