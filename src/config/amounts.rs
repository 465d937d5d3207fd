//! Settings that are amounts with a unit: durations and sizes.
//!
//! A unit is never guessed: a duration without one is refused, and sizes are binary only.

use std::time::Duration;

use super::kinds::{Count, Kind, Refusal};

/// A second in milliseconds, the unit of [`Span`].
pub(super) const SECOND: u64 = 1_000;
/// A minute in milliseconds.
pub(super) const MINUTE: u64 = 60 * SECOND;
/// An hour in milliseconds.
pub(super) const HOUR: u64 = 60 * MINUTE;
/// A day in milliseconds.
pub(super) const DAY: u64 = 24 * HOUR;

/// 1,024 bytes.
pub(super) const KIB: usize = 1024;
/// 1,024 KiB.
pub(super) const MIB: usize = 1024 * KIB;
/// 1,024 MiB.
pub(super) const GIB: usize = 1024 * MIB;

/// A duration within bounds of milliseconds, both included.
pub(super) struct Span(pub(super) u64, pub(super) u64);

/// Units of a duration. humantime knows more, among them `M` for a month, which a reader takes for
/// a minute.
const SPAN_UNITS: [(&str, u64); 5] = [
    ("d", DAY),
    ("h", HOUR),
    ("m", MINUTE),
    ("s", SECOND),
    ("ms", 1),
];

impl Kind for Span {
    type Value = Duration;

    fn parse(&self, text: &str) -> Result<Duration, Refusal> {
        let known = |unit| SPAN_UNITS.iter().any(|(name, _)| *name == unit);
        let mut units = text
            .split(|symbol: char| !symbol.is_alphabetic())
            .filter(|unit| !unit.is_empty());
        if !units.all(known) {
            return Err(Refusal::NotAllowed);
        }
        let (min, max) = (Duration::from_millis(self.0), Duration::from_millis(self.1));
        humantime::parse_duration(text)
            .ok()
            .filter(|span| span.subsec_nanos() % 1_000_000 == 0 && (min..=max).contains(span))
            .ok_or(Refusal::NotAllowed)
    }

    fn allowed(&self) -> String {
        let (min, max) = (Duration::from_millis(self.0), Duration::from_millis(self.1));
        format!(
            "a duration from {} to {} with its unit (ms, s, m, h, d)",
            show_span(min),
            show_span(max)
        )
    }

    fn show(&self, value: &Duration) -> String {
        show_span(*value)
    }
}

/// Prints a duration in the largest unit that divides it; a single day stays `24h`.
fn show_span(span: Duration) -> String {
    let millis = span.as_millis();
    let fits = |unit: u64| millis >= u128::from(unit) && millis.is_multiple_of(u128::from(unit));
    SPAN_UNITS
        .iter()
        .find(|(_, unit)| fits(*unit) && (*unit < DAY || millis > u128::from(DAY)))
        .map_or_else(
            || "0s".to_owned(),
            |(name, unit)| format!("{}{name}", millis / u128::from(*unit)),
        )
}

/// A size in bytes within bounds, both included.
pub(super) struct Bytes(pub(super) usize, pub(super) usize);

const BYTE_UNITS: [(&str, usize); 3] = [("GiB", GIB), ("MiB", MIB), ("KiB", KIB)];

impl Kind for Bytes {
    type Value = usize;

    fn parse(&self, text: &str) -> Result<usize, Refusal> {
        let (digits, unit) = BYTE_UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), *unit)))
            .unwrap_or((text, 1));
        let whole = Count(0, usize::MAX).parse(digits)?;
        whole
            .checked_mul(unit)
            .filter(|bytes| (self.0..=self.1).contains(bytes))
            .ok_or(Refusal::NotAllowed)
    }

    fn allowed(&self) -> String {
        let (min, max) = (show_bytes(self.0), show_bytes(self.1));
        format!("a size from {min} to {max}, in KiB, MiB, GiB or plain bytes")
    }

    fn show(&self, value: &usize) -> String {
        show_bytes(*value)
    }
}

/// Prints a size in the largest unit that divides it.
fn show_bytes(bytes: usize) -> String {
    BYTE_UNITS
        .iter()
        .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(
            || bytes.to_string(),
            |(name, unit)| format!("{}{name}", bytes / unit),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kinds::tests::shown;

    #[test]
    fn durations_need_one_of_five_units() {
        let kind = Span(100, 365 * DAY);
        let good = [
            ("250ms", "250ms"),
            ("20s", "20s"),
            ("10m", "10m"),
            ("60s", "1m"),
            ("90s", "90s"),
            ("24h", "24h"),
            ("1d", "24h"),
            ("48h", "2d"),
            ("90d", "90d"),
            ("1h 30m", "90m"),
            ("1h30m", "90m"),
            ("1.5s", "1500ms"),
            ("100ms", "100ms"),
            ("365d", "365d"),
        ];
        for (text, expected) in good {
            assert_eq!(shown(&kind, text).as_deref(), Some(expected), "{text:?}");
        }
        let bad = [
            "",
            "10",
            "s",
            "99ms",
            "366d",
            "10M",
            "1month",
            "2w",
            "1y",
            "5 minutes",
            "-1s",
            "100ms 5us",
            "1e3s",
            "30µs",
            "99999999999999999999d",
        ];
        for text in bad {
            assert_eq!(shown(&kind, text), None, "{text:?}");
        }
        assert_eq!(shown(&Span(0, MINUTE), "0s").as_deref(), Some("0s"));
        assert_eq!(
            kind.allowed(),
            "a duration from 100ms to 365d with its unit (ms, s, m, h, d)"
        );
    }

    #[test]
    fn sizes_are_binary() {
        let kind = Bytes(4 * KIB, GIB);
        let good = [
            ("4096", "4KiB"),
            ("4097", "4097"),
            ("512KiB", "512KiB"),
            ("512 KiB", "512KiB"),
            ("1024KiB", "1MiB"),
            ("1GiB", "1GiB"),
        ];
        for (text, expected) in good {
            assert_eq!(shown(&kind, text).as_deref(), Some(expected), "{text:?}");
        }
        for text in [
            "",
            "4095",
            "2GiB",
            "10KB",
            "10kib",
            "1.5MiB",
            "MiB",
            "99999999999GiB",
            "-4096",
        ] {
            assert_eq!(shown(&kind, text), None, "{text:?}");
        }
        assert_eq!(
            kind.allowed(),
            "a size from 4KiB to 1GiB, in KiB, MiB, GiB or plain bytes"
        );
    }
}
