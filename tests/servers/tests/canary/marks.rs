//! Marks: random texts, bytes and numbers of one run, and the search for them in whatever form.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    sync::Arc,
};

/// The shortest part of a mark that counts as found, in bytes. What is searched may cut a mark of twice this length
/// anywhere, once: a part that is long enough is left.
const PART: usize = 8;

const HEX: &[u8] = b"0123456789abcdef";
const HEX_UPPER: &[u8] = b"0123456789ABCDEF";
const BASE32: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
const BASE32_UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const ALPHABETS: [(&str, &[u8], u32); 6] = [
    ("hex", HEX, 4),
    ("upper-case hex", HEX_UPPER, 4),
    ("base32", BASE32, 5),
    ("upper-case base32", BASE32_UPPER, 5),
    ("base64", BASE64, 6),
    ("URL-safe base64", BASE64_URL, 6),
];

/// What must not be found.
pub(crate) struct Marks {
    /// By their first bytes.
    needles: HashMap<u64, Vec<Needle>>,
    /// One bit for each [`bit`] that some needle begins with: so most of a text is passed over quickly.
    begins: Vec<u64>,
}

struct Needle {
    what: Arc<str>,
    form: &'static str,
    text: Vec<u8>,
}

impl Default for Marks {
    fn default() -> Self {
        Self { needles: HashMap::new(), begins: vec![0; 1 << 17] }
    }
}

impl Marks {
    /// A new text of 24 letters and digits; every third is a digit, so that no part of it is a part of a word.
    pub(crate) fn text(&mut self, what: &str) -> String {
        let character = |at| if at % 3 == 1 { fastrand::digit(10) } else { fastrand::alphanumeric() };
        let text: String = (0..24).map(character).collect();
        self.add(what, text.as_bytes());
        text
    }

    /// 32 new bytes.
    pub(crate) fn bytes(&mut self, what: &str) -> [u8; 32] {
        let bytes = std::array::from_fn(|_| fastrand::u8(..));
        self.add(what, &bytes);
        bytes
    }

    /// A new number of 64 bits.
    pub(crate) fn number(&mut self, what: &str) -> u64 {
        let number = fastrand::u64(1 << 63..);
        self.add(what, &number.to_be_bytes());
        self.insert(&what.into(), "decimal", number.to_string().into_bytes());
        number
    }

    /// Marks something that is there already: each part of it, in each form.
    pub(crate) fn add(&mut self, what: &str, mark: &[u8]) {
        assert!(mark.len() >= PART, "too short to be told from chance");
        let what = what.into();
        for part in mark.windows(PART) {
            let part = part.try_into().unwrap();
            each_form(part, |form, text| self.insert(&what, form, text));
        }
    }

    fn insert(&mut self, what: &Arc<str>, form: &'static str, text: Vec<u8>) {
        let needle = Needle { what: what.clone(), form, text };
        let start = u64::from_be_bytes(*needle.text.first_chunk().unwrap());
        let (word, mask) = bit(start);
        self.begins[word] |= mask;
        self.needles.entry(start).or_default().push(needle);
    }

    /// How many texts are looked for.
    pub(crate) fn forms(&self) -> usize {
        self.needles.values().map(Vec::len).sum()
    }

    /// The first part of a mark in `text`, or in what is left of it without white space.
    pub(crate) fn find(&self, text: &[u8]) -> Option<Found> {
        let squeezed: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        self.find_in(text).or_else(|| self.find_in(&squeezed))
    }

    fn find_in(&self, text: &[u8]) -> Option<Found> {
        let (mut start, mut end) = (0, 0);
        while end < text.len() {
            start = start << 8 | u64::from(text[end]);
            end += 1;
            let (word, mask) = bit(start);
            if self.begins[word] & mask != 0
                && let found @ Some(_) = self.find_at(end.saturating_sub(PART), text, start)
            {
                return found;
            }
        }
        None
    }

    fn find_at(&self, at: usize, text: &[u8], start: u64) -> Option<Found> {
        let needle = self.needles.get(&start)?.iter().find(|needle| text[at..].starts_with(&needle.text))?;
        let around = text[at.saturating_sub(80)..text.len().min(at + 80)].escape_ascii().to_string();
        Some(Found { what: needle.what.clone(), form: needle.form, around })
    }
}

/// Where a hash of these bytes stands among 8 million bits.
fn bit(start: u64) -> (usize, u64) {
    let hash = start.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 41;
    ((hash >> 6) as usize, 1 << (hash & 63))
}

/// A mark that was found, and what stands around it.
pub(crate) struct Found {
    pub(crate) what: Arc<str>,
    form: &'static str,
    around: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) in: …{}…", self.what, self.form, self.around)
    }
}

fn each_form(part: &[u8; PART], mut add: impl FnMut(&'static str, Vec<u8>)) {
    add("as it is", part.to_vec());
    add("reversed", part.iter().rev().copied().collect());
    add("escaped", part.escape_ascii().to_string().into_bytes());
    add("a list of bytes", list(part, |byte| byte.to_string()));
    add("a list of hex", list(part, |byte| format!("{byte:02x}")));
    add("a list of hex", list(part, |byte| format!("0x{byte:02x}")));
    for (form, alphabet, bits) in ALPHABETS {
        (0..bits).for_each(|skipped| add(form, digits(part, alphabet, bits, skipped)));
    }
    if let Ok(text) = std::str::from_utf8(part)
        && text.is_ascii()
    {
        add("upper case", text.to_ascii_uppercase().into_bytes());
        add("lower case", text.to_ascii_lowercase().into_bytes());
        add("UTF-16, little-endian", text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        add("UTF-16, big-endian", text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }
}

/// The digits that these 8 bytes determine alone, if the first of them begins after so many skipped bits: at any
/// alignment within a longer text.
fn digits(part: &[u8; PART], alphabet: &[u8], bits: u32, skipped: u32) -> Vec<u8> {
    let number = u64::from_be_bytes(*part) << skipped;
    let digit = |at| alphabet[(number << (at * bits) >> (64 - bits)) as usize];
    (0..(64 - skipped) / bits).map(digit).collect()
}

/// As `Debug` shows bytes, without its white space.
fn list(part: &[u8], shown: impl Fn(u8) -> String) -> Vec<u8> {
    let mut text = String::new();
    part.iter().for_each(|byte| write!(text, "{},", shown(*byte)).unwrap());
    text.trim_end_matches(',').into()
}

#[test]
fn a_mark_is_found_in_every_form_and_in_part() {
    let mut marks = Marks::default();
    let text = marks.text("text");
    let bytes = marks.bytes("bytes");
    let number = marks.number("number");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let mut forms: Vec<Vec<u8>> = vec![
        text.clone().into(),
        text.to_uppercase().into(),
        text.to_lowercase().into(),
        text.chars().rev().collect::<String>().into(),
        text[9..17].into(),
        format!("{text:?}").into(),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
        bytes[5..13].into(),
        bytes[..].iter().rev().copied().collect(),
        format!("{bytes:?}").into(),
        format!("{bytes:#?}").into(),
        format!("{bytes:02x?}").into(),
        format!("{bytes:#04x?}").into(),
        format!("{:?}", bytes::Bytes::copy_from_slice(&bytes)).into(),
        hex.to_uppercase().into(),
        number.to_string().into(),
        number.to_be_bytes().into(),
        format!("{number:016x}").into(),
        hex[7..31].into(),
        hex.into(),
    ];
    for before in 0..3 {
        let shifted = [&vec![0x5A; before], &bytes[..]].concat();
        forms.push(base64(&shifted, BASE64));
        forms.push(base64(&shifted, BASE64_URL));
    }
    for form in forms {
        let around = [b"something ", &form[..], b" else"].concat();
        assert!(marks.find(&around).is_some(), "{}", form.escape_ascii());
    }
    assert!(marks.find(&[&text.as_bytes()[..7], b"-", &bytes[..7]].concat()).is_none());
    assert!(marks.find(&vec![b'a'; 1000]).is_none());
}

/// The plain way, without padding.
fn base64(bytes: &[u8], alphabet: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let digit = |six: &[u8]| alphabet[six.iter().fold(0, |value, bit| value << 1 | usize::from(*bit))];
    bits.chunks_exact(6).map(digit).collect()
}
