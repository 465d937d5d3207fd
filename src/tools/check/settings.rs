//! The listing of the settings: one aligned line each.

use super::report::aligned;
use crate::config::Effective;

/// Stands for a value that is empty.
const EMPTY: &str = "-";

/// Returns key, value and origin of every setting; secrets are hidden already.
pub(super) fn listing(effective: &[Effective]) -> String {
    let row = |setting: &Effective| {
        let value = if setting.value.is_empty() {
            EMPTY
        } else {
            &setting.value
        };
        [
            setting.key.to_owned(),
            value.to_owned(),
            setting.origin.clone(),
        ]
    };
    format!(
        "settings\n{}",
        aligned(&effective.iter().map(row).collect::<Vec<_>>())
    )
}
