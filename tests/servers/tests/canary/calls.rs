//! Every call of `EncryptedBackend` that reaches a store.

use std::{collections::BTreeMap, time::Duration};

use blindcache::{Backend, CacheKey, EncryptedBackend, Key as _};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use crate::case::Case;

const HOUR: Option<Duration> = Some(Duration::from_secs(3_600));
/// How many entries [`every_call`] leaves in the store.
pub(crate) const LEFT: usize = 14;
/// Names of fields, which are in no entry and no name of one.
pub(crate) const FIELDS: [&str; 3] = ["fieldOfOurKeyZq", "fieldOfOurValueZq", "VariantOfOurKeyZq"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    field_of_our_key_zq: String,
    number: u64,
    parts: (Option<String>, Vec<String>),
}

#[derive(Serialize)]
enum Lookup {
    #[serde(rename = "VariantOfOurKeyZq")]
    By(String),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    field_of_our_value_zq: String,
    number: u64,
    ratio: f64,
    raw: ByteBuf,
    slow: Vec<u8>,
    tags: BTreeMap<String, Vec<String>>,
}

impl User {
    fn new(case: &mut Case) -> Self {
        let ratio = f64::from_bits(case.marks.number("a float") >> 2); // finite
        case.marks.add("a float", &ratio.to_be_bytes());
        Self {
            field_of_our_value_zq: case.text("a field of a value"),
            number: case.marks.number("a number in a value"),
            ratio,
            raw: ByteBuf::from(case.marks.bytes("bytes in a value")),
            slow: case.marks.bytes("an array of bytes in a value").into(),
            tags: [(case.text("a map's key in a value"), vec![case.text("an element in a value")])].into(),
        }
    }
}

/// Writes, reads, asks and deletes by marked keys, one by one and in batches.
pub(crate) async fn every_call<B: Backend>(store: &EncryptedBackend<B>, case: &mut Case) {
    case.show(store);
    keys(store, case).await;
    values(store, case).await;
    batches(store, case).await;
    deletes(store, case).await;
}

async fn keys<B: Backend>(store: &EncryptedBackend<B>, case: &mut Case) {
    let value = case.text("a value");
    let text = case.text("a key");
    let tuple = (case.text("a part of a key"), 42, true);
    let number = case.marks.number("a key that is a number");
    let bytes = case.marks.bytes("a key of bytes");
    let variant = Lookup::By(case.text("a variant in a key"));
    let order = Order {
        field_of_our_key_zq: case.text("a field of a key"),
        number: case.marks.number("a number in a key"),
        parts: (Some(case.text("an option in a key")), vec![case.text("an element of a key")]),
    };
    write_and_read(store, case, &text, &value).await;
    write_and_read(store, case, &tuple, &value).await;
    write_and_read(store, case, &number, &value).await;
    write_and_read(store, case, &bytes, &value).await; // an array of integers
    write_and_read(store, case, Bytes::new(&bytes), &value).await;
    write_and_read(store, case, &variant, &value).await;
    write_and_read(store, case, &order, &value).await;
}

async fn write_and_read<B: Backend>(
    store: &EncryptedBackend<B>,
    case: &mut Case,
    key: &(impl Serialize + ?Sized),
    value: &str,
) {
    let canonical: CacheKey = key.to_cache_key().unwrap();
    case.show(&canonical);
    assert_eq!(store.get::<String>(key).await.unwrap(), None);
    store.set(key, value, HOUR).await.unwrap();
    assert_eq!(store.get::<String>(key).await.unwrap().as_deref(), Some(value));
    assert!(store.exists(key).await.unwrap());
}

async fn values<B: Backend>(store: &EncryptedBackend<B>, case: &mut Case) {
    let [one, other, long] = ["a key"; 3].map(|what| case.text(what));
    let user = User::new(case);
    store.set(&one, &user, None).await.unwrap();
    assert_eq!(store.get::<User>(&one).await.unwrap(), Some(user));

    let raw = case.marks.bytes("a value of bytes");
    store.set_bytes(&other, &raw, HOUR).await.unwrap();
    assert_eq!(store.get_bytes(&other).await.unwrap().unwrap(), &raw[..]);
    assert_eq!(store.get::<String>(&other).await.unwrap(), None);
    assert_eq!(store.get_bytes(&one).await.unwrap(), None);

    let text = case.text("a long value").repeat(3_000);
    store.set(&long, &text, HOUR).await.unwrap();
    assert_eq!(store.get::<String>(&long).await.unwrap(), Some(text));
}

async fn batches<B: Backend>(store: &EncryptedBackend<B>, case: &mut Case) {
    let keys = [(); 4].map(|()| (case.text("a key of a batch"), 1));
    let values = [(); 4].map(|()| case.text("a value of a batch"));
    store.set_many(keys.iter().zip(&values), HOUR).await.unwrap();
    for found in store.get_many::<u64>(&keys).await.unwrap() {
        case.refused(found); // of another type: the decoder's own error would quote it
    }
    let found = store.get_many::<String>(&keys).await.unwrap();
    assert!(found.into_iter().map(|value| value.unwrap().unwrap()).eq(values));
}

async fn deletes<B: Backend>(store: &EncryptedBackend<B>, case: &mut Case) {
    let keys = [(); 3].map(|()| case.text("a deleted key"));
    for key in &keys {
        store.set(key, &case.text("a deleted value"), None).await.unwrap();
    }
    assert!(store.delete(&keys[0]).await.unwrap());
    assert_eq!(store.delete_many(&keys).await.unwrap(), [false, true, true]);
}
