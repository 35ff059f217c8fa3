//! Master keys and their text forms: FORMAT.md, "Keys".

use std::fmt;

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    derive::{self, SECRET, Secret},
    name::BASE32,
    wipe::{SETUP, with_clean_stack},
};
use crate::error::{Error, MasterKeyError};

/// What a master key in text begins with.
const TEXT: &str = "bcmk1-";
/// Length in bytes of the checksum behind a master key in text: the first bytes of its SHA-256.
const CHECKSUM: usize = 4;
/// Length in bytes of a master key with its checksum.
const CHECKED: usize = SECRET + CHECKSUM;
/// A key with at most this many different byte values is not random: the chance of it is below 2^-45.
const REPETITIVE: usize = 16;

/// 32 uniformly random bytes from which all keys of all tenants are derived.
///
/// Wiped when dropped. It cannot be cloned, displayed or serialized; [`to_text`](Self::to_text) writes it out on purpose.
pub struct MasterKey(Box<Zeroizing<Secret>>);

impl MasterKey {
    /// A new key of 32 bytes from the operating system.
    ///
    /// # Errors
    /// [`Error::Random`] if the operating system gives no random bytes, or such that [`from_bytes`](Self::from_bytes)
    /// would refuse, which good ones are with a chance below 2^-44.
    pub fn generate() -> Result<Self, Error> {
        let mut key = Self(Box::default());
        getrandom::fill(key.0.as_mut_slice()).map_err(|_| Error::Random)?;
        key.looks_random().map(|()| key).map_err(|_| Error::Random)
    }

    /// The key with these 32 bytes. The caller wipes its own copy.
    ///
    /// # Errors
    /// [`MasterKeyError::Length`] for any other length; [`MasterKeyError::Repetitive`] for at most 16 different byte
    /// values; [`MasterKeyError::Passphrase`] if all are printable ASCII.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MasterKeyError> {
        if bytes.len() != SECRET {
            return Err(MasterKeyError::Length);
        }
        let mut key = Self(Box::default());
        key.0.copy_from_slice(bytes);
        key.looks_random().map(|()| key)
    }

    /// Reads a key from text: `bcmk1-` and 58 characters of lower-case base32, which end in a checksum; or 64 hex
    /// digits; or 44 characters of padded base64 (RFC 4648, section 4).
    ///
    /// # Errors
    /// [`MasterKeyError`], which never holds the text.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        with_clean_stack::<SETUP, _>(|| {
            let mut bytes = Zeroizing::new([0; CHECKED]);
            let (encoding, digits, length) = match text.strip_prefix(TEXT) {
                Some(digits) => (&*BASE32, digits, CHECKED),
                None if text.len() == 2 * SECRET => (&HEXLOWER_PERMISSIVE, text, SECRET),
                None => (&BASE64, text, SECRET),
            };
            decode(encoding, digits, &mut bytes[..length])?;
            if length > SECRET && bytes[SECRET..] != checksum(&bytes[..SECRET]) {
                return Err(MasterKeyError::Checksum);
            }
            Self::from_bytes(&bytes[..SECRET])
        })
    }

    /// The key as text with a checksum, which [`parse`](Self::parse) reads: for the place where secrets are kept.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; CHECKED]);
        bytes[..SECRET].copy_from_slice(self.secret());
        bytes[SECRET..].copy_from_slice(&checksum(self.secret()));
        let mut text = Zeroizing::new(String::with_capacity(TEXT.len() + BASE32.encode_len(bytes.len())));
        text.push_str(TEXT);
        BASE32.encode_append(bytes.as_slice(), &mut text);
        text
    }

    /// `Expand(key, "key-id", 4)`: public, and written into each entry that the key seals.
    pub fn id(&self) -> KeyId {
        with_clean_stack::<SETUP, _>(|| {
            let mut id = [0; 4];
            derive::expand(self.secret(), derive::KEY_ID, b"", &mut id);
            KeyId(id)
        })
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.0
    }

    fn looks_random(&self) -> Result<(), MasterKeyError> {
        let mut seen = Zeroizing::new([false; 256]);
        self.0.iter().for_each(|byte| seen[usize::from(*byte)] = true);
        if seen.iter().filter(|seen| **seen).count() <= REPETITIVE {
            return Err(MasterKeyError::Repetitive);
        }
        if self.0.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(MasterKeyError::Passphrase);
        }
        Ok(())
    }
}

fn decode(encoding: &data_encoding::Encoding, digits: &str, out: &mut [u8]) -> Result<(), MasterKeyError> {
    // The decoder also reads pieces one after the other, each with its own padding: here it stands at the end alone.
    let before_padding = digits.find('=').unwrap_or(digits.len());
    let is_one = digits.len() == encoding.encode_len(out.len()) && before_padding + 1 >= digits.len();
    // A buffer of the length that these digits may take: padding makes it longer than what they mean.
    let mut room = Zeroizing::new([0; CHECKED]);
    match encoding.decode_len(digits.len()) {
        Ok(length) if is_one => {
            let decoded = encoding.decode_mut(digits.as_bytes(), &mut room[..length]);
            if decoded.map_err(|_| MasterKeyError::Unrecognized)? != out.len() {
                return Err(MasterKeyError::Unrecognized);
            }
            out.copy_from_slice(&room[..out.len()]);
            Ok(())
        }
        _ => Err(MasterKeyError::Unrecognized),
    }
}

fn checksum(key: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha256::digest(key);
    [digest[0], digest[1], digest[2], digest[3]]
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

/// Which master key sealed an entry: 4 public bytes, which group a store's entries by key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(super) [u8; 4]);

impl KeyId {
    /// The four bytes as they stand in an entry.
    pub fn to_bytes(self) -> [u8; 4] {
        self.0
    }
}

impl fmt::Display for KeyId {
    /// Eight hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 32 bytes of which `different` differ.
    fn key_of(different: u8) -> [u8; 32] {
        std::array::from_fn(|at| 0x80 + (at as u8 % different))
    }

    fn master(fill: u8) -> MasterKey {
        MasterKey::from_bytes(&std::array::from_fn::<u8, 32, _>(|at| fill.wrapping_add(at as u8 * 3)))
            .unwrap()
    }

    fn refusal(text: &str) -> MasterKeyError {
        MasterKey::parse(text).err().unwrap()
    }

    #[test]
    fn a_key_reads_back_from_each_text_form() {
        let key = MasterKey::generate().unwrap();
        let hex = HEXLOWER.encode(key.secret());
        for text in [&*key.to_text(), &hex, &hex.to_uppercase(), &BASE64.encode(key.secret())] {
            assert_eq!(MasterKey::parse(text).unwrap().secret(), key.secret(), "{}", text.len());
        }
    }

    #[test]
    fn the_text_of_a_key_is_what_the_format_says() {
        // By another implementation: base32(key || SHA-256(key)[..4]) in lower case.
        let expected = "bcmk1-a4fa2eatcymryhzceuucwlrrgq3tupkaindestcpkjkvqw26mfsmx7xfoa";
        assert_eq!(*master(7).to_text(), expected);
    }

    #[test]
    fn an_id_is_shown_in_8_hex_digits() {
        let id = KeyId([0x00, 0x1F, 0xA0, 0xFF]);
        assert_eq!((id.to_bytes(), id.to_string()), ([0x00, 0x1F, 0xA0, 0xFF], "001fa0ff".into()));
        assert_eq!(format!("{id:?}"), "KeyId(001fa0ff)");
    }

    #[test]
    fn a_changed_character_of_a_text_is_refused() {
        let text = master(7).to_text();
        for at in "bcmk1-".len()..text.len() {
            let mut changed = text.to_string();
            let other = if &text[at..=at] == "a" { "b" } else { "a" };
            changed.replace_range(at..=at, other);
            assert!(
                matches!(refusal(&changed), MasterKeyError::Checksum | MasterKeyError::Unrecognized),
                "at {at}"
            );
        }
    }

    #[test]
    fn what_is_no_text_form_is_unrecognized() {
        let text = master(7).to_text();
        let hex = HEXLOWER.encode(master(7).secret());
        let base64 = BASE64.encode(master(7).secret());
        let unpadded = base64.trim_end_matches('=');
        let wrong = [
            "",
            "bcmk1-",
            "hunter2",
            "é",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{}a", *text),
            &text.to_uppercase(),
            &hex[1..],
            &hex[2..],
            &format!("{hex}0"),
            &format!("{hex}00"),
            &format!(" {hex}"),
            &hex.replace('a', "g"),
            unpadded,
            &[BASE64.encode(&master(7).secret()[..11]), BASE64.encode(&master(7).secret()[11..])].concat(),
            &BASE64.encode(&[9; 31]),
            &BASE64.encode(&[9; 33]),
            &"=".repeat(44),
            &"a".repeat(10_000),
        ];
        for text in wrong {
            assert_eq!(refusal(text), MasterKeyError::Unrecognized, "{text}");
        }
    }

    #[test]
    fn every_byte_of_a_generated_key_is_random() {
        let keys: Vec<MasterKey> = (0..64).map(|_| MasterKey::generate().unwrap()).collect();
        assert!((0..SECRET).all(|at| keys.iter().any(|key| key.0[at] != keys[0].0[at])));
    }

    #[test]
    fn a_key_has_32_bytes() {
        for (length, fits) in [(0, false), (1, false), (31, false), (32, true), (33, false), (64, false)] {
            let bytes: Vec<u8> = (0..length).collect();
            let refused = MasterKey::from_bytes(&bytes).err();
            assert_eq!(refused, (!fits).then_some(MasterKeyError::Length), "{length}");
        }
    }

    #[test]
    fn a_key_of_at_most_16_different_bytes_is_refused() {
        for different in [1, 2, 15, 16] {
            assert_eq!(MasterKey::from_bytes(&key_of(different)).err(), Some(MasterKeyError::Repetitive));
        }
        assert!(MasterKey::from_bytes(&key_of(17)).is_ok());
    }

    #[test]
    fn a_passphrase_is_refused() {
        let phrase = *b"The quick brown fox jumps over 1";
        assert_eq!(MasterKey::from_bytes(&phrase).err(), Some(MasterKeyError::Passphrase));
        let mut edges = phrase;
        edges[..2].copy_from_slice(b" ~");
        assert_eq!(MasterKey::from_bytes(&edges).err(), Some(MasterKeyError::Passphrase));
        for outside in [0x1F, 0x7F] {
            edges[0] = outside;
            assert!(MasterKey::from_bytes(&edges).is_ok(), "{outside}");
        }
    }
}
