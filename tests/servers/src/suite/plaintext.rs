//! What is marked never lies in a store.

use std::time::Duration;

use blindcache::{EncryptedBackend, Keyring, MasterKey};

use crate::Store;

/// Entries that are written.
const ENTRIES: u64 = 1_000;
/// What no store may hold, in any key, tenant, namespace or value.
const MARK: &str = "MARKEDPLAINTEXT";

/// [`keeps_no_plaintext`] on a store and with keys of its own.
pub async fn holds_no_plaintext<S: Store>() {
    keeps_no_plaintext::<S>(&Keyring::new(MasterKey::generate().unwrap()).unwrap()).await;
}

/// A thousand marked entries are read back through the boundary, and nothing marked is in the raw contents, which do
/// hold every store key.
pub async fn keeps_no_plaintext<S: Store>(keys: &Keyring) {
    let store = S::start().await;
    let tenant = keys.tenant(&format!("tenant-{MARK}")).unwrap();
    let boundary =
        EncryptedBackend::new(store.backend(), tenant).namespace(&format!("{MARK}-space")).unwrap();
    let key = |number: u64| (MARK, number);
    let value = |number: u64| format!("{MARK} {number} {MARK}");
    let hour = Some(Duration::from_secs(3_600));
    for part in (0..ENTRIES).collect::<Vec<_>>().chunks(100) {
        let pairs = part.iter().map(|&number| (key(number), value(number)));
        boundary.set_many(pairs, hour).await.unwrap();
    }
    for part in (0..ENTRIES).collect::<Vec<_>>().chunks(100) {
        let found = boundary.get_many::<String>(part.iter().map(|&number| key(number))).await.unwrap();
        for (&number, found) in part.iter().zip(found) {
            assert_eq!(found.unwrap(), Some(value(number)));
        }
    }
    let contents = store.contents().await;
    let count = |mark: &[u8]| contents.windows(mark.len()).filter(|it| it == &mark).count();
    assert_eq!(count(MARK.as_bytes()), 0);
    assert!(count(b"b1.") >= ENTRIES as usize, "the contents show {} names", count(b"b1."));
    println!("{}: {} bytes searched", S::NAME, contents.len());
}
