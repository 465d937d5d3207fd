//! The reason words that frames carry, beside those of errors and closes.
//!
//! The same word stands in the frame, the log and the metric. A page treats a word that it does not know as no
//! reason at all.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! reason_words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal, $meaning:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = $meaning] $variant,)+
        }

        impl $name {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the word in frames, logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Returns what the word says, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

reason_words! {
    /// Why entries do not come by themselves (`gap`).
    GapReason {
        Trimmed = "trimmed", "The log does not have them any more.";
        Skipped = "skipped", "They are still to be had by `history`.";
    }
}

reason_words! {
    /// Why a session is no member any more (`left`).
    LeftReason {
        Asked = "asked", "The page sent `leave`.";
        Forbidden = "forbidden", "The user may not be in the room any more.";
    }
}

reason_words! {
    /// Why a session is asked to come back on another node (`reconnect`).
    ReconnectReason {
        Drain = "drain", "The node stops, as in a rollout.";
        Rebalance = "rebalance", "Other nodes have fewer sessions.";
        Sick = "sick", "Other nodes see the broker and this one does not.";
    }
}

reason_words! {
    /// Why sends are refused for now (`degraded`).
    DegradedReason {
        Broker = "broker", "The node does not reach the broker; what is sent meanwhile is refused with `unavailable`.";
    }
}
