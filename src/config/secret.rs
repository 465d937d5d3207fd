//! A value that is never printed.
//!
//! `Debug` shows [`HIDDEN`] and there is no `Display`, so that a secret in a log line, a panic or a
//! listing takes a deliberate [`Secret::expose`].

use std::fmt;

/// What stands where a secret is hidden.
pub const HIDDEN: &str = "•••";

/// A value that prints as [`HIDDEN`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value itself, for the one place that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_value_at_any_depth() {
        let nested = Some(vec![Secret::new("hunter2".to_owned())]);
        assert_eq!(format!("{nested:?}"), "Some([•••])");
        assert_eq!(Secret::new(7).expose(), &7);
    }
}
