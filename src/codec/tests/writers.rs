//! Writers that take no more, and types that fail.

use std::io::{self, Write};

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeSeq},
};

use super::{LIMIT, ada, encode, encoded};
use crate::codec::{EncodeError, Watched, check, check::Flaw};

/// Takes `room` bytes, and whatever still fits after it once refused something.
struct Capped {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for Capped {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + data.len() > self.room {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_writer_is_told_from_a_type_that_fails() {
    let whole = encoded(&ada());
    for room in 0..whole.len() {
        let mut out = Capped { bytes: Vec::new(), room };
        assert_eq!(encode(&ada(), &mut out, LIMIT), Err(EncodeError::Full), "{room}");
    }
    let mut out = Capped { bytes: Vec::new(), room: whole.len() };
    assert_eq!(encode(&ada(), &mut out, LIMIT), Ok(()));
    assert_eq!(out.bytes, whole);

    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("secret"))
        }
    }
    assert_eq!(encode(&("a", Failing), Vec::new(), LIMIT), Err(EncodeError::Refused));
}

#[test]
fn a_writer_that_failed_once_has_failed_however_it_is_written_to() {
    for write_to in [
        |out: &mut Watched<Capped>, data: &[u8]| out.write_all(data),
        |out: &mut Watched<Capped>, data: &[u8]| {
            out.write(data).map(|written| assert_eq!(written, data.len()))
        },
    ] {
        let mut out = Watched { out: Capped { bytes: Vec::new(), room: 4 }, failed: false };
        assert!(write_to(&mut out, b"abc").is_ok() && !out.failed);
        assert!(write_to(&mut out, b"de").is_err() && out.failed);
        assert!(write_to(&mut out, b"f").is_ok() && out.failed);
        assert_eq!(out.out.bytes, b"abcf");
    }
    let mut buffered = Watched { out: io::BufWriter::new(Vec::new()), failed: false };
    buffered.write_all(b"abc").unwrap();
    buffered.flush().unwrap();
    assert_eq!(buffered.out.get_ref(), b"abc");
}

#[test]
fn a_swallowed_full_writer_is_still_full() {
    struct Careless;
    impl Serialize for Careless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut seq = serializer.serialize_seq(Some(1))?;
            let _ = seq.serialize_element(&"x".repeat(100));
            seq.serialize_element(&1)?;
            seq.end()
        }
    }
    let mut out = Capped { bytes: Vec::new(), room: 50 };
    assert_eq!(encode(&Careless, &mut out, LIMIT), Err(EncodeError::Full));
}

#[test]
fn a_wrong_length_does_not_pass_the_check() {
    struct Liar(usize, usize);
    impl Serialize for Liar {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut seq = serializer.serialize_seq(Some(self.0))?;
            (0..self.1).try_for_each(|n| seq.serialize_element(&n))?;
            seq.end()
        }
    }
    for (declared, given) in [(3, 2), (3, 4), (0, 1), (1, 0), (1 << 32, 0), ((1 << 32) + 1, 2)] {
        let mut out = Vec::new();
        encode(&Liar(declared, given), &mut out, LIMIT).unwrap();
        let expected = if (declared, given) == (1 << 32, 0) { Ok(()) } else { Err(Flaw::NotOneValue) };
        assert_eq!(check(&out), expected);
    }
}
