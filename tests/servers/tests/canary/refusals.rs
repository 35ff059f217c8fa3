//! Every way in which keys, values, and settings are refused, with marks in what is refused.

use std::{collections::BTreeMap, time::Duration};

use blindcache::{
    Backend, EncryptedBackend, Error, KeyError, Keyring, KeyringError, MasterKey, MasterKeyError,
    NotAStoreKey, NotSealed, Padding, Sealed, SettingError, StoreKey, ValueError,
};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap as _},
};

use crate::case::{Case, Master};

/// A key or value whose own `Serialize` fails, with its content in the error.
struct Stubborn(String);

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(&self.0))
    }
}

/// The same key twice.
struct Twice<'a>(&'a str);

impl Serialize for Twice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(self.0, "")?;
        map.serialize_entry(self.0, "")?;
        map.end()
    }
}

/// Something inside many containers.
#[derive(Serialize)]
#[serde(untagged)]
enum Nested {
    Text(String),
    Deeper([Box<Nested>; 1]),
}

impl Nested {
    fn new(text: &str, depth: usize) -> Self {
        (0..depth).fold(Self::Text(text.to_owned()), |inner, _| Self::Deeper([Box::new(inner)]))
    }
}

/// Keys, values and lifetimes that are refused before anything is sent.
pub(crate) async fn not_sent<B: Backend>(store: &EncryptedBackend<B>, case: &mut Case) {
    let text = case.text("a refused key");
    bad_key(store, case, &Stubborn(text.clone()), KeyError::Serialize).await;
    bad_key(store, case, &(&text, 1.5), KeyError::Float).await;
    bad_key(store, case, &(&text, u128::MAX), KeyError::IntegerRange).await;
    bad_key(store, case, &Twice(&text), KeyError::DuplicateKey).await;
    bad_key(store, case, &Nested::new(&text, 70), KeyError::TooDeep).await;
    bad_key(store, case, &text.repeat(3_000), KeyError::TooLong).await;

    let text = case.text("a refused value");
    let small = store.clone().max_value(64);
    bad_value(store, case, &Stubborn(text.clone()), ValueError::Serialize).await;
    bad_value(store, case, &Nested::new(&text, 70), ValueError::TooDeep).await;
    bad_value(&small, case, &text.repeat(3), ValueError::TooLarge { limit: 64 }).await;
    let key = case.text("a key of a refused value");
    let err = case.refused(small.set_bytes(&key, text.repeat(3).as_bytes(), None).await);
    assert!(matches!(err, Error::Value(ValueError::TooLarge { .. })));
    for ttl in [Duration::ZERO, Duration::MAX] {
        assert!(matches!(case.refused(store.set(&key, &text, ttl).await), Error::Ttl));
        assert!(matches!(case.refused(store.set_bytes(&key, text.as_bytes(), ttl).await), Error::Ttl));
        assert!(matches!(case.refused(store.set_many([(&key, &text)], ttl).await), Error::Ttl));
    }
}

async fn bad_key<B: Backend>(
    store: &EncryptedBackend<B>,
    case: &mut Case,
    key: &impl Serialize,
    reason: KeyError,
) {
    let errors = [
        case.refused(store.get::<String>(key).await),
        case.refused(store.get_bytes(key).await),
        case.refused(store.get_many::<String>([key]).await),
        case.refused(store.set(key, "", None).await),
        case.refused(store.set_bytes(key, b"", None).await),
        case.refused(store.set_many([(key, "")], None).await),
        case.refused(store.delete(key).await),
        case.refused(store.delete_many([key]).await),
        case.refused(store.exists(key).await),
    ];
    for err in errors {
        assert!(matches!(err, Error::Key(refused) if refused == reason), "{err:?}");
    }
}

async fn bad_value<B: Backend>(
    store: &EncryptedBackend<B>,
    case: &mut Case,
    value: &impl Serialize,
    reason: ValueError,
) {
    let key = case.text("a key of a refused value");
    let errors = [
        case.refused(store.set(&key, value, None).await),
        case.refused(store.set_many([(&key, value)], None).await),
    ];
    for err in errors {
        assert!(matches!(err, Error::Value(refused) if refused == reason), "{err:?}");
    }
}

/// Settings outside their limits, made of marks.
pub(crate) fn settings<B: Backend>(store: &EncryptedBackend<B>, keys: &Keyring, case: &mut Case) {
    let text = case.text("a refused setting");
    let long = text.repeat(11);
    let errors = [
        case.refused(keys.tenant(&long)),
        case.refused(store.clone().namespace(&long)),
        case.refused(store.clone().prefix(&long)),
        case.refused(store.clone().prefix(&format!("{text}/"))),
        case.refused(store.clone().padding(Padding::Fixed(0))),
    ];
    for err in errors {
        assert!(matches!(err, Error::Setting(_)), "{err:?}");
    }
    assert_eq!(case.refused(StoreKey::parse(&text)), NotAStoreKey);
    assert_eq!(case.refused(Sealed::parse(text.into_bytes())), NotSealed);
}

/// Settings of keys that are refused: mistyped, cut, twice, or in the wrong variable.
pub(crate) fn keys(case: &mut Case) {
    let key = case.master("a mistyped key");
    let text = key.key().to_text();
    let passphrase = &[(); 2].map(|()| case.text("a passphrase")).concat()[..32];
    assert_eq!(case.refused(MasterKey::from_bytes(&key.0[..31])), MasterKeyError::Length);
    assert_eq!(case.refused(MasterKey::from_bytes(passphrase.as_bytes())), MasterKeyError::Passphrase);
    let mistyped = [
        text[..63].to_owned(),
        format!("{}{}", &text[..63], if text.ends_with('a') { 'b' } else { 'a' }),
        text.to_uppercase(),
        format!("{}g", &key.hex()[..63]),
        key.hex()[..62].to_owned(),
        format!("{} {}", key.hex(), key.hex()),
        passphrase.to_owned(),
        Master(passphrase.as_bytes().try_into().unwrap()).hex(),
    ];
    for bad in &mistyped {
        case.refused(MasterKey::parse(bad));
        for variable in ["BLINDCACHE_MASTER_KEY", "BLINDCACHE_ACCEPTED_KEYS", "BLINDCACHE_NAMING_KEY"] {
            let err = case.refused(vars(&[("BLINDCACHE_MASTER_KEY", &text), (variable, bad)]));
            assert!(matches!(err, Error::Setting(SettingError::Variable { .. })), "{err:?}");
        }
        // The key where the path of its file should be.
        let err = case.refused(vars(&[("BLINDCACHE_MASTER_KEY_FILE", bad)]));
        assert!(matches!(err, Error::Setting(SettingError::File { .. })), "{err:?}");
    }
    case.refused(vars(&[("BLINDCACHE_MASTER_KEY", &text), ("BLINDCACHE_MASTER_KEY_FILE", &text)]));
    case.refused(vars(&[("BLINDCACHE_MASTER_KEY", &text), ("BLINDCACHE_ACCEPTED_KEYS", &text)]));
    let twice = Keyring::with_accepted(key.key(), [key.key()], key.key());
    assert_eq!(case.refused(twice), KeyringError::DuplicateKey);
    let accepted = [(); 8].map(|()| case.master("one key too many").key());
    let many = Keyring::with_accepted(key.key(), accepted, key.key());
    assert_eq!(case.refused(many), KeyringError::TooManyKeys);
    case.outcome(Keyring::from_env());
}

/// A keyring of these variables; of one that stands twice, the last.
pub(crate) fn vars(variables: &[(&str, &str)]) -> Result<Keyring, Error> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    Keyring::from_vars(|name| variables.get(name).map(ToString::to_string))
}
