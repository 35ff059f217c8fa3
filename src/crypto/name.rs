//! Under which name a store keeps an entry: FORMAT.md, "Names".

use std::{fmt, sync::LazyLock};

use data_encoding::{Encoding, Specification};

use super::tenant::TenantKeys;

/// Length in bytes of a locator: one HMAC-SHA256.
const LOCATOR: usize = 32;
/// What stands between the prefix and the locator of a store key.
const VERSION: &str = "b1.";
/// Length in characters of a store key without its prefix.
const STORE_KEY: usize = 55;
/// Largest length in characters of a prefix.
const MAX_PREFIX: usize = 64;

/// RFC 4648 base32 in lower case, without padding.
pub(crate) static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut lower = Specification::new();
    lower.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    #[allow(clippy::expect_used)] // 32 distinct symbols make a base32
    lower.encoding().expect("32 distinct symbols")
});

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Entry = 0x02,
    Tag = 0x03,
}

/// The name of an entry in bytes; it is also bound into the entry's keys.
pub(crate) struct Locator(pub(crate) [u8; LOCATOR]);

impl Locator {
    /// `HMAC(naming key, kind || u64 epoch || u32 len(namespace) || namespace || name)`; the namespace has at most
    /// 255 bytes.
    pub(crate) fn derive(keys: &TenantKeys, kind: Kind, epoch: u64, namespace: &str, name: &[u8]) -> Self {
        let length = u32::try_from(namespace.len()).unwrap_or(u32::MAX).to_be_bytes();
        Self(keys.name([&[kind as u8], &epoch.to_be_bytes(), &length, namespace.as_bytes(), name]))
    }
}

/// The blinded name of an entry: all that a store learns of a key.
///
/// A prefix of 0 to 64 characters of `[A-Za-z0-9._:-]`, then `b1.`, then 52 characters of lower-case base32.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreKey(Box<str>);

/// The text has not the shape of a [`StoreKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a store key: expected an optional prefix, \"b1.\" and 52 characters of base32")]
pub struct NotAStoreKey;

impl StoreKey {
    /// Takes a name that came back from a store or arrived at a server of yours.
    ///
    /// # Errors
    /// [`NotAStoreKey`] if it has not the shape that FORMAT.md gives under "Names".
    pub fn parse(text: &str) -> Result<Self, NotAStoreKey> {
        let at = text.len().checked_sub(STORE_KEY).ok_or(NotAStoreKey)?;
        let (prefix, name) = text.split_at_checked(at).ok_or(NotAStoreKey)?;
        let locator = name.strip_prefix(VERSION).ok_or(NotAStoreKey)?;
        let mut bytes = [0; LOCATOR];
        let decoded = BASE32.decode_mut(locator.as_bytes(), &mut bytes);
        if decoded.is_err() || !is_prefix(prefix) {
            return Err(NotAStoreKey);
        }
        Ok(Self(text.into()))
    }

    /// The name of `locator` under a prefix that [`is_prefix`].
    pub(crate) fn new(prefix: &str, locator: &Locator) -> Self {
        let mut text = String::with_capacity(prefix.len() + STORE_KEY);
        text.push_str(prefix);
        text.push_str(VERSION);
        BASE32.encode_append(&locator.0, &mut text);
        Self(text.into_boxed_str())
    }

    /// A name that no entry ever has.
    pub(crate) fn probe() -> Self {
        Self::new("", &Locator([0; LOCATOR]))
    }

    /// The whole name, 55 to 119 ASCII characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StoreKey {
    /// Shows the first 8 characters of the locator, enough to find it in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locator = &self.0[self.0.len() - STORE_KEY + VERSION.len()..];
        write!(f, "StoreKey({}…)", &locator[..8])
    }
}

/// Whether this may stand in front of a store key: `[A-Za-z0-9._:-]{0,64}`.
pub(crate) fn is_prefix(text: &str) -> bool {
    text.len() <= MAX_PREFIX && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> String {
        StoreKey::new("", &Locator(std::array::from_fn(|at| at as u8))).as_str().to_owned()
    }

    #[test]
    fn a_store_key_parses_to_itself() {
        for prefix in ["", "a", "my_app:v1.x-", &"p".repeat(63), &"p".repeat(64)] {
            let text = format!("{prefix}{}", name());
            assert_eq!(StoreKey::parse(&text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_has_not_the_shape_of_a_store_key_is_refused() {
        let name = name();
        let wrong = [
            String::new(),
            "user:42:ssn".into(),
            name[1..].into(),
            name[..54].into(),
            format!("{name}a"),
            name.to_uppercase(),
            name.replace("b1.", "b2."),
            format!("{} ", &name[..54]),
            format!("{}1", &name[..54]),
            format!("{}b", &name[..54]),
            format!("{}{name}", "p".repeat(65)),
            format!("a/b{name}"),
            format!("a b{name}"),
            format!("é{name}"),
            format!("a\n{name}"),
            "é".repeat(28),
            format!("{}é", &name[..53]),
        ];
        for text in wrong {
            assert_eq!(StoreKey::parse(&text), Err(NotAStoreKey), "{text}");
        }
    }

    #[test]
    fn debug_shows_8_characters_of_the_locator() {
        let key = StoreKey::parse(&format!("tenant:{}", name())).unwrap();
        assert_eq!(format!("{key:?}"), format!("StoreKey({}…)", &name()[3..11]));
    }
}
