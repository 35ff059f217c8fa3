//! Which of the 16,384 slots of a cluster a name is in.

use crate::crypto::StoreKey;

/// How many slots there are.
pub(super) const SLOTS: u16 = 16_384;

/// `CRC-16/XMODEM(name) mod 16384`, "Key distribution model" of the Redis Cluster specification. Store keys have no
/// braces, so the whole name counts.
pub(super) fn slot(key: &StoreKey) -> u16 {
    crc16(key.as_str().as_bytes()) % SLOTS
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(b""), 0);
    }
}
