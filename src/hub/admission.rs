//! Who may come back now, when many do at once.

use std::time::Duration;

/// Bounds how fast sessions come back to rooms whose log must be read for them. Those who come back to what a room still
/// has in memory, or share a read with others, are not counted.
pub trait Admission: std::fmt::Debug + Send + Sync {
    /// Lets one come back.
    ///
    /// # Errors
    /// After which time to try again, spread so that those who are refused together do not come together.
    fn resume(&self) -> Result<(), Duration>;
}
