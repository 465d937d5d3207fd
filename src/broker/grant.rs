//! Who may be unready because it alone does not reach the broker.

use std::time::Duration;

/// How long a grant stands unless it is renewed, by the broker's clock.
pub const GRANT_LIFE: Duration = Duration::from_secs(15);
/// A node counts as one of the fleet for so long after it was last seen, unless it left in order.
pub const SEEN_FOR: Duration = Duration::from_secs(600);

/// What became of asking for a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It stands, for [`GRANT_LIFE`] from now.
    Given,
    /// As many other nodes have one as may.
    Refused {
        /// Nodes that have one.
        given: u64,
        /// Nodes that may.
        most: u64,
    },
}

/// Returns how many nodes may have a grant at once, of so many seen: a quarter, and one at least.
#[must_use]
pub fn most(seen: u64) -> u64 {
    (seen / 4).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_may_and_one_always() {
        let counts = [0, 1, 2, 4, 7, 8, 11, 12, 100];
        assert_eq!(counts.map(most), [1, 1, 1, 1, 1, 2, 2, 3, 25]);
    }
}
