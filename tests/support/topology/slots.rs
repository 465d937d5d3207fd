//! Hash slots.

/// Number of slots of a cluster.
pub(super) const SLOTS: u16 = 16_384;

/// Returns the slot of a key: the CRC16 (XMODEM) of what stands between its first `{` and the next `}`, if anything
/// does.
pub(crate) fn slot_of(key: &str) -> u16 {
    let hashed = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or(key, |(tag, _)| if tag.is_empty() { key } else { tag });
    let mut crc: u16 = 0;
    for byte in hashed.bytes() {
        crc ^= u16::from(byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            };
        }
    }
    crc % SLOTS
}
