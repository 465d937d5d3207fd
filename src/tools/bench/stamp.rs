//! What the text of a message carries: whose it is, its number, and when it should have been sent.
//!
//! `~<room>.<sender>.<n>.<intended time>~`, then padding. None of its characters is escaped by any dialect, so one
//! search of a byte finds it in all of them, without reading JSON.

use memchr::memchr;

/// What a stamp begins and ends with.
const MARK: u8 = b'~';
/// What fills a text up to its length.
const PADDING: u8 = b'x';
/// Digits of the highest number of a message.
const NUMBER_DIGITS: usize = 10;
/// Digits of the highest time, a little more than a day in nanoseconds.
const TIME_DIGITS: usize = 14;
/// Two marks and three dots.
const SEPARATORS: usize = 5;

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The index of the room.
    pub(super) room: u32,
    /// The index of the sender among the members of the room.
    pub(super) sender: u32,
    /// The number of the message among those of its sender, from 0.
    pub(super) n: u32,
    /// When it should have been sent, in nanoseconds since the run began.
    pub(super) due: u64,
}

impl Stamp {
    /// Returns how many bytes a text needs at least for any stamp of so many rooms and members.
    pub(super) fn longest(rooms: u32, members: u32) -> usize {
        digits(rooms.saturating_sub(1))
            + digits(members.saturating_sub(1))
            + NUMBER_DIGITS
            + TIME_DIGITS
            + SEPARATORS
    }

    /// Appends a text of so many bytes that carries the stamp.
    pub(super) fn write(self, payload: usize, text: &mut Vec<u8>) {
        let end = text.len() + payload;
        text.push(MARK);
        let parts = [
            u64::from(self.room),
            u64::from(self.sender),
            u64::from(self.n),
            self.due,
        ];
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                text.push(b'.');
            }
            write_number(part, text);
        }
        text.push(MARK);
        if text.len() < end {
            text.resize(end, PADDING);
        }
    }

    /// Finds the first stamp in the payload of a frame; returns it and where it ends.
    pub(super) fn find(payload: &[u8]) -> Option<(Self, usize)> {
        let mut at = 0;
        loop {
            at += memchr(MARK, &payload[at..])? + 1;
            if let Some((stamp, length)) = Self::parse(&payload[at..]) {
                return Some((stamp, at + length));
            }
        }
    }

    /// Reads what follows the first mark; returns the stamp and how many bytes it took.
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let (room, mut at) = number(bytes, b'.')?;
        let (sender, length) = number(&bytes[at..], b'.')?;
        at += length;
        let (n, length) = number(&bytes[at..], b'.')?;
        at += length;
        let (due, length) = number(&bytes[at..], MARK)?;
        let stamp = Self {
            room: room.try_into().ok()?,
            sender: sender.try_into().ok()?,
            n: n.try_into().ok()?,
            due,
        };
        Some((stamp, at + length))
    }
}

/// Reads a number and the byte that must follow it; returns it and how many bytes both took.
pub(super) fn number(bytes: &[u8], end: u8) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().enumerate() {
        if byte.is_ascii_digit() {
            value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        } else {
            return (byte == end && index > 0).then_some((value, index + 1));
        }
    }
    None
}

/// Appends a number in decimal digits.
pub(super) fn write_number(mut value: u64, text: &mut Vec<u8>) {
    let mut reversed = [0_u8; 20];
    let mut length = 0;
    loop {
        reversed[length] = b'0' + u8::try_from(value % 10).expect("a digit");
        length += 1;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    text.extend(reversed[..length].iter().rev());
}

fn digits(value: u32) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        room: 99,
        sender: 0,
        n: 17,
        due: 12_345_678_901,
    };

    #[test]
    fn what_is_written_is_found_wherever_it_stands() {
        let mut text = b"{\"name\":\"~1.2~\",\"text\":\"".to_vec();
        STAMP.write(128, &mut text);
        text.extend_from_slice(b"\"}");
        let (found, end) = Stamp::find(&text).unwrap();
        assert_eq!(found, STAMP);
        assert_eq!(text[end - 1], b'~');
        assert_eq!(Stamp::find(&text[end..]), None);
    }

    #[test]
    fn a_text_has_the_length_asked_for() {
        for payload in [Stamp::longest(100, 10), 128, 4_000] {
            let mut text = Vec::new();
            STAMP.write(payload, &mut text);
            assert_eq!(text.len(), payload);
        }
    }

    #[test]
    fn the_longest_stamp_fits() {
        let stamp = Stamp {
            room: 999,
            sender: 9,
            n: u32::MAX,
            due: 99_999_999_999_999,
        };
        let mut text = Vec::new();
        stamp.write(0, &mut text);
        assert_eq!(text.len(), Stamp::longest(1_000, 10));
    }

    #[test]
    fn what_is_cut_off_or_no_number_is_no_stamp() {
        for text in [
            "",
            "~",
            "~1.2.3",
            "~1.2.3.4",
            "~1.2.3.x~",
            "~1..3.4~",
            "~1.2.99999999999.4~",
        ] {
            assert_eq!(Stamp::find(text.as_bytes()), None, "{text}");
        }
    }
}
