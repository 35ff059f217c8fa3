//! Where an entry lies: `a/b/b1.ab…`, and after a prefix `a/b/b1.ab….` and the prefix in base32.
//!
//! A store key without a prefix is its own file name: 55 lower-case letters, digits and one dot, which begins with no
//! dot and is not reserved anywhere. A prefix may be `..`, hold `:`, or differ from another in case alone, so it stands
//! behind the name in lower-case base32 (RFC 4648, "extended hex"). The longest name has 159 characters.

use data_encoding::{BASE32_DNSSEC, HEXLOWER};

use crate::crypto::StoreKey;

/// The characters of a locator.
const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz234567";
/// Length in characters of a store key without its prefix.
const BARE: usize = 55;
/// What the locator in a store key stands behind.
const VERSION: &str = "b1.";
/// What the name of a file that is being written begins with.
const TEMP: &str = "tmp-";

/// A directory of the second level, by the first two characters of the locators in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leaf(usize);

/// The leaf and the file name of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) leaf: Leaf,
    pub(super) name: Box<str>,
}

/// What a file in a leaf is, by its name alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Entry,
    Temp,
    Foreign,
}

impl Leaf {
    /// How many there are.
    pub(super) const COUNT: usize = ALPHABET.len() * ALPHABET.len();

    pub(super) fn index(self) -> usize {
        self.0
    }

    /// The first one, or the one after another.
    pub(super) fn after(last: Option<Self>) -> Option<Self> {
        let next = last.map_or(0, |leaf| leaf.0 + 1);
        (next < Self::COUNT).then_some(Self(next))
    }

    /// The names of the two directories.
    pub(super) fn path(self) -> [&'static str; 2] {
        [self.0 / ALPHABET.len(), self.0 % ALPHABET.len()].map(|at| &ALPHABET[at..=at])
    }
}

impl Place {
    pub(super) fn of(key: &StoreKey) -> Self {
        let text = key.as_str();
        let (prefix, bare) = text.split_at(text.len().saturating_sub(BARE));
        let mut letters = bare.bytes().skip(VERSION.len()).map(letter);
        let mut next = || letters.next().unwrap_or_default();
        let leaf = Leaf(next() * ALPHABET.len() + next());
        let mut name = bare.to_owned();
        if !prefix.is_empty() {
            name.push('.');
            BASE32_DNSSEC.encode_append(prefix.as_bytes(), &mut name);
        }
        Self { leaf, name: name.into_boxed_str() }
    }
}

fn letter(byte: u8) -> usize {
    ALPHABET.bytes().position(|it| it == byte).unwrap_or_default()
}

/// A name for a file that is being written, which no other has.
pub(super) fn temp(random: [u8; 16]) -> String {
    format!("{TEMP}{}", HEXLOWER.encode(&random))
}

impl Kind {
    pub(super) fn of(name: &str) -> Self {
        if is_temp(name) {
            Self::Temp
        } else if is_entry(name) {
            Self::Entry
        } else {
            Self::Foreign
        }
    }
}

fn is_temp(name: &str) -> bool {
    name.strip_prefix(TEMP).is_some_and(|random| random.len() == 32 && random.bytes().all(is_hex))
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Whether there is a store key whose entry has this name.
fn is_entry(name: &str) -> bool {
    let Some((bare, rest)) = name.split_at_checked(BARE) else { return false };
    let encoded = rest.strip_prefix('.').unwrap_or_default();
    let prefix = BASE32_DNSSEC.decode(encoded.as_bytes()).ok().and_then(|it| String::from_utf8(it).ok());
    let key = prefix.and_then(|prefix| StoreKey::parse(&(prefix + bare)).ok());
    key.is_some_and(|key| *Place::of(&key).name == *name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn key(prefix: &str) -> StoreKey {
        StoreKey::parse(&format!("{prefix}b1.c7{}", "a".repeat(50))).unwrap()
    }

    #[test]
    fn a_bare_name_is_its_own_file_name_two_levels_down() {
        let place = Place::of(&key(""));
        assert_eq!(*place.name, *key("").as_str());
        assert_eq!(place.leaf.path(), ["c", "7"]);
    }

    #[test]
    fn names_are_fit_for_any_file_system_and_each_its_own() {
        let longest = "p".repeat(64);
        let prefixes =
            ["", "app:", "APP:", "App:", "..", ".", "...", "-", "b1.", "a_b-c:D.9:", "CON.", &longest];
        let names: HashSet<String> =
            prefixes.iter().map(|prefix| Place::of(&key(prefix)).name.into()).collect();
        assert_eq!(names.len(), prefixes.len());
        for name in &names {
            assert!(name.len() <= 159 && name.starts_with("b1."), "{name}");
            assert!(name.bytes().all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'.')), "{name}");
            assert_eq!(Kind::of(name), Kind::Entry, "{name}");
        }
        assert_eq!(names.iter().map(String::len).max(), Some(159));
    }

    #[test]
    fn every_leaf_is_visited_once() {
        let all: Vec<Leaf> =
            std::iter::successors(Leaf::after(None), |leaf| Leaf::after(Some(*leaf))).collect();
        let paths: HashSet<_> = all.iter().map(|leaf| leaf.path()).collect();
        assert_eq!((all.len(), paths.len()), (1_024, 1_024));
        assert_eq!(all[0].path(), ["a", "a"]);
        assert_eq!(all[1_023].path(), ["7", "7"]);
    }

    #[test]
    fn what_others_put_there_is_foreign() {
        assert_eq!(Kind::of(&temp([0xA5; 16])), Kind::Temp);
        for name in ["", ".", "..", "b1.", "tmp-", "tmp-A5", "notes.txt", &format!("{}.", key("").as_str())] {
            assert_eq!(Kind::of(name), Kind::Foreign, "{name}");
        }
        for suffix in ["./x", ".TXT", ".txt", ".bak", ".orig", ".c5h1", ".C5H66", "c5h66"] {
            assert_eq!(Kind::of(&format!("{}{suffix}", key("").as_str())), Kind::Foreign, "{suffix}");
        }
        assert_eq!(Kind::of(&format!("{}.c5h66", key("").as_str())), Kind::Entry, "control: `abc`");
        assert_eq!(Kind::of(&key("").as_str().to_uppercase()), Kind::Foreign);
    }
}
