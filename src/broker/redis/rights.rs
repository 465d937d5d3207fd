//! Which commands a node sends to Redis, those inside its scripts included.
//!
//! An ACL user needs exactly these, on the keys `<prefix>:*` and the channels `<prefix>:*`; a test compares the list
//! with what a server has recorded. HELLO, AUTH and QUIT need no right.

/// The commands, as an ACL rule names them.
pub const RIGHTS: &[&str] = &[
    "eval", "evalsha", "exists", "get", "hmget", "hset", "info", "pexpireat", "ping", "publish", "select", "set",
    "subscribe", "time", "unsubscribe", "unwatch", "wait", "xadd", "xinfo|stream", "xrange", "xrevrange",
];
