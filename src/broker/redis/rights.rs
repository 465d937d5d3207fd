//! Which commands a node sends to Redis, those inside its scripts included.
//!
//! An ACL user needs exactly these, on the keys and the channels `<prefix>:*`; a test compares the list with what a
//! server has recorded. HELLO and AUTH need no right.

/// The commands, as an ACL rule names them.
pub const RIGHTS: &[&str] = &[
    "del",
    "eval",
    "evalsha",
    "exists",
    "get",
    "hdel",
    "hget",
    "hlen",
    "hmget",
    "hscan",
    "hset",
    "info",
    "pexpire",
    "pexpireat",
    "ping",
    "publish",
    "sadd",
    "select",
    "set",
    "smembers",
    "srandmember",
    "srem",
    "subscribe",
    "time",
    "unsubscribe",
    "unwatch",
    "wait",
    "xadd",
    "xinfo|stream",
    "xrange",
    "xrevrange",
];

/// The commands that a node sends to the members of a Cluster besides.
pub const CLUSTER_RIGHTS: &[&str] = &[
    "asking",
    "cluster|info",
    "cluster|slots",
    "spublish",
    "ssubscribe",
    "sunsubscribe",
];

/// Returns the rule that makes an ACL user of these rights, without its password.
#[must_use]
pub fn acl_rule(prefix: &str) -> String {
    let mut rule = format!("resetkeys resetchannels -@all ~{prefix}:* &{prefix}:*");
    for command in RIGHTS {
        rule.push_str(" +");
        rule.push_str(command);
    }
    rule
}

/// Returns the rule for the user at every member of a Cluster.
#[must_use]
pub fn cluster_acl_rule(prefix: &str) -> String {
    let mut rule = acl_rule(prefix);
    rule.push_str(&format!(" ~{{{prefix}}}:*"));
    for command in CLUSTER_RIGHTS {
        rule.push_str(" +");
        rule.push_str(command);
    }
    rule
}
