//! Every frame with its fields, as data.
//!
//! Tests hold this table against the parser, the encoders, `docs/protocol.md` and `docs/asyncapi.yaml`, so that
//! none of them says something that another does not.

/// Who sends a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From a page to a node.
    ToNode,
    /// From a node to a page.
    ToPage,
}

/// One frame type.
#[derive(Debug, Clone, Copy)]
pub struct FrameDoc {
    /// The word in `type`.
    pub name: &'static str,
    /// Who sends it.
    pub direction: Direction,
    /// Its fields beside `type`, in the order of the documents.
    pub fields: &'static [FieldDoc],
}

/// One field of a frame or of an object in it.
#[derive(Debug, Clone, Copy)]
pub struct FieldDoc {
    /// The member's name.
    pub name: &'static str,
    /// True if it is always there.
    pub required: bool,
}

/// An object inside frames.
#[derive(Debug, Clone, Copy)]
pub struct ObjectDoc {
    /// Its name in the documents.
    pub name: &'static str,
    /// Its members.
    pub fields: &'static [FieldDoc],
}

const fn required(name: &'static str) -> FieldDoc {
    FieldDoc {
        name,
        required: true,
    }
}

const fn optional(name: &'static str) -> FieldDoc {
    FieldDoc {
        name,
        required: false,
    }
}

const fn to_node(name: &'static str, fields: &'static [FieldDoc]) -> FrameDoc {
    FrameDoc {
        name,
        direction: Direction::ToNode,
        fields,
    }
}

const fn to_page(name: &'static str, fields: &'static [FieldDoc]) -> FrameDoc {
    FrameDoc {
        name,
        direction: Direction::ToPage,
        fields,
    }
}

const ID: FieldDoc = required("id");
const ROOM: FieldDoc = required("room");
const EPOCH: FieldDoc = required("epoch");
const SEQ: FieldDoc = required("seq");
const AT: FieldDoc = required("at");
const COUNT: FieldDoc = required("count");
const REASON: FieldDoc = required("reason");
const LIMIT: FieldDoc = optional("limit");

/// Every frame type, in the order of the documents.
pub const FRAMES: &[FrameDoc] = &[
    to_node(
        "hello",
        &[
            optional("token"),
            optional("name"),
            optional("client"),
            optional("features"),
            optional("moved_ms"),
        ],
    ),
    to_node("ping", &[ID]),
    to_node("join", &[ID, ROOM, optional("after"), LIMIT]),
    to_node("leave", &[ID, ROOM]),
    to_node("send", &[ID, ROOM, required("text"), required("key")]),
    to_node(
        "history",
        &[ID, ROOM, optional("before"), optional("after"), LIMIT],
    ),
    to_node("members", &[ID, ROOM, optional("cursor"), LIMIT]),
    to_node("typing", &[ROOM]),
    to_node("rename", &[ID, required("name")]),
    to_page(
        "welcome",
        &[
            required("session"),
            required("user"),
            required("token"),
            required("resumed_identity"),
            required("node"),
            required("limits"),
            required("features"),
        ],
    ),
    to_page("pong", &[ID, AT]),
    to_page(
        "joined",
        &[ID, ROOM, EPOCH, SEQ, required("members"), COUNT],
    ),
    to_page("left", &[optional("id"), ROOM, REASON]),
    to_page("sent", &[ID, ROOM, EPOCH, SEQ, AT, optional("duplicate")]),
    to_page(
        "message",
        &[
            ROOM,
            EPOCH,
            SEQ,
            AT,
            optional("key"),
            optional("user"),
            optional("kind"),
            optional("text"),
        ],
    ),
    to_page(
        "history",
        &[
            ID,
            ROOM,
            EPOCH,
            required("messages"),
            required("more"),
            optional("from"),
        ],
    ),
    to_page(
        "members",
        &[ID, ROOM, required("members"), COUNT, optional("cursor")],
    ),
    to_page(
        "presence",
        &[
            ROOM,
            required("joined"),
            required("left"),
            required("renamed"),
            COUNT,
        ],
    ),
    to_page("renamed", &[ID, required("user")]),
    to_page("typing", &[ROOM, required("user")]),
    to_page(
        "gap",
        &[ROOM, EPOCH, required("from"), required("to"), REASON],
    ),
    to_page("epoch", &[ROOM, EPOCH, required("from")]),
    to_page("reconnect", &[required("after_ms"), REASON]),
    to_page("degraded", &[REASON]),
    to_page("recovered", &[]),
    to_page(
        "error",
        &[
            optional("id"),
            optional("room"),
            required("code"),
            optional("field"),
            required("message"),
            optional("retry_after_ms"),
        ],
    ),
];

/// Every object inside frames.
pub const OBJECTS: &[ObjectDoc] = &[
    ObjectDoc {
        name: "user",
        fields: &[required("id"), required("name"), optional("bot")],
    },
    ObjectDoc {
        name: "position",
        fields: &[EPOCH, SEQ],
    },
    ObjectDoc {
        name: "limits",
        fields: &[
            required("frame_bytes"),
            required("text"),
            required("name"),
            required("rooms"),
            required("sends_per_second"),
            required("send_burst"),
            required("dedupe_ms"),
            required("history"),
        ],
    },
];
