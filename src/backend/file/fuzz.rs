//! For the fuzz target `file_header`.

use super::header::{Header, NotAHeader};

/// Any bytes as a file: a header that writes itself, and fits this length alone, or none.
pub(crate) fn header(file: &[u8]) {
    match Header::parse(file) {
        Ok(header) => {
            let entry = (file.len() - Header::SIZE) as u64;
            assert_eq!(header.write(), file[..Header::SIZE]);
            assert_eq!(header.fits(file.len() as u64), header.length == entry);
            let ends = header.expires != u64::MAX;
            assert_eq!((header.is_live(header.expires), header.is_live(u64::MAX)), (!ends, !ends));
            assert!(header.is_live(header.expires.saturating_sub(1)) || header.expires == 0);
        }
        Err(NotAHeader) => assert!(file.len() < Header::SIZE || !file.starts_with(b"bcfile\x00\x01")),
    }
}
