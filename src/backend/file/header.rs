//! What stands in a file before the entry, so that a sweep needs no key and a torn file is found out.
//!
//! ```text
//! offset  size
//!    0      8     "bcfile" 00 01: the last byte is the version
//!    8      8     when it expires, Unix milliseconds, big-endian; 2^64 - 1: never
//!   16      8     length of the entry in bytes, big-endian
//!   24      .     the entry, up to the end of the file
//! ```

use std::time::Duration;

/// What a header begins with.
const MAGIC: [u8; 8] = *b"bcfile\x00\x01";
/// The expiry of what never expires.
const NEVER: u64 = u64::MAX;

/// The first bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Unix milliseconds.
    pub(super) expires: u64,
    /// Bytes of the entry behind it.
    pub(super) length: u64,
}

/// The bytes do not begin with a header of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotAHeader;

impl Header {
    /// Length in bytes.
    pub(super) const SIZE: usize = 24;

    /// For an entry of this length that is set now. A ttl is rounded up to a millisecond; one that ends beyond what the
    /// header can say is none.
    pub(super) fn new(length: usize, now: u64, ttl: Option<Duration>) -> Self {
        let ms = |ttl: Duration| u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(NEVER);
        let expires = ttl.map_or(NEVER, |ttl| now.saturating_add(ms(ttl)));
        Self { expires, length: u64::try_from(length).unwrap_or(u64::MAX) }
    }

    /// Of the start of a file; what stands behind the header is not looked at.
    pub(super) fn parse(file: &[u8]) -> Result<Self, NotAHeader> {
        let rest = file.strip_prefix(&MAGIC).ok_or(NotAHeader)?;
        let (expires, rest) = rest.split_first_chunk().ok_or(NotAHeader)?;
        let (length, _) = rest.split_first_chunk().ok_or(NotAHeader)?;
        Ok(Self { expires: u64::from_be_bytes(*expires), length: u64::from_be_bytes(*length) })
    }

    pub(super) fn write(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.expires.to_be_bytes());
        bytes[16..].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }

    /// Whether it is a whole file of this size in bytes: neither cut nor grown.
    pub(super) fn fits(self, size: u64) -> bool {
        self.length.checked_add(Self::SIZE as u64) == Some(size)
    }

    pub(super) fn is_live(self, now: u64) -> bool {
        self.expires == NEVER || now < self.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_is_as_documented() {
        let header = Header { expires: 0x0102_0304_0506_0708, length: 0x1112_1314_1516_1718 };
        let bytes = b"bcfile\x00\x01\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14\x15\x16\x17\x18";
        assert_eq!(header.write(), *bytes);
        assert_eq!(Header::parse(bytes), Ok(header));
    }

    #[test]
    fn what_is_cut_or_of_another_version_is_no_header() {
        let whole = Header::new(116, 5, None).write();
        for cut in 0..whole.len() {
            assert_eq!(Header::parse(&whole[..cut]), Err(NotAHeader), "{cut} bytes");
        }
        for at in 0..8 {
            let mut other = whole;
            other[at] ^= 1;
            assert_eq!(Header::parse(&other), Err(NotAHeader), "byte {at}");
        }
    }

    #[test]
    fn a_file_that_is_cut_or_grown_does_not_fit() {
        let header = Header::new(116, 0, None);
        assert_eq!([139, 140, 141].map(|size| header.fits(size)), [false, true, false]);
        assert!(!Header { length: u64::MAX, ..header }.fits(23));
    }

    #[test]
    fn an_entry_lives_as_long_as_its_ttl_and_no_longer() {
        let header = Header::new(116, 1_000, Some(Duration::from_millis(5)));
        assert_eq!([1_000, 1_004, 1_005].map(|now| header.is_live(now)), [true, true, false]);
        assert_eq!(Header::new(116, 1_000, Some(Duration::from_nanos(1))).expires, 1_001);
    }

    #[test]
    fn no_ttl_and_the_longest_are_for_ever() {
        for ttl in [None, Some(Duration::MAX)] {
            assert!(Header::new(116, 1_000, ttl).is_live(u64::MAX));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_that_writes_itself_or_none(bytes: Vec<u8>, with_magic: bool) {
            let bytes = if with_magic { [&MAGIC[..], &bytes].concat() } else { bytes };
            match Header::parse(&bytes) {
                Ok(header) => prop_assert_eq!(&bytes[..Header::SIZE], header.write()),
                Err(NotAHeader) => prop_assert!(bytes.len() < Header::SIZE || !bytes.starts_with(&MAGIC)),
            }
        }
    }
}
