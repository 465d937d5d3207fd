//! Names of leases, and of what belongs to them in Redis.
//!
//! | name | what |
//! | --- | --- |
//! | `<prefix>:leases` | set of the ids of leases that are not swept yet |
//! | `<prefix>:lease:<id>` | what the node says of itself, as JSON; gone when the lease has ended |
//! | `<prefix>:lease:<id>:rooms` | set of the rooms that the lease may hold users in |
//! | `<prefix>:lease:<id>:sweep` | held by the node that sweeps the lease |

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::keys::Keys;

/// The name of one lease: 16 characters of base64url.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct LeaseId(Arc<str>);

impl LeaseId {
    pub(super) fn random() -> Self {
        let mut bits = [0_u8; 12];
        getrandom::fill(&mut bits).expect("the operating system always has random bytes");
        Self(URL_SAFE_NO_PAD.encode(bits).into())
    }

    /// Takes an id as it stands in the set of leases.
    pub(in super::super) fn known(id: &str) -> Self {
        Self(id.into())
    }

    pub(in super::super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key that lives as long as the lease.
    pub(in super::super) fn key(&self, keys: &Keys) -> String {
        format!("{}:lease:{}", keys.prefix(), self.0)
    }

    /// Returns the key of the rooms that the lease may hold users in.
    pub(in super::super) fn rooms(&self, keys: &Keys) -> String {
        format!("{}:lease:{}:rooms", keys.prefix(), self.0)
    }

    /// Returns the key that the sweeping node holds.
    pub(in super::super) fn sweep(&self, keys: &Keys) -> String {
        format!("{}:lease:{}:sweep", keys.prefix(), self.0)
    }
}

/// Returns the key of the set of leases.
pub(in super::super) fn leases(keys: &Keys) -> String {
    format!("{}:leases", keys.prefix())
}
