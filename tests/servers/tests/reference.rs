//! The second implementation of the format, `docs/reference.py`, opens what this library seals in this run.

use std::{path::PathBuf, process::Command, time::Duration};

use blindcache::{EncryptedBackend, Keyring, MasterKey, MemoryBackend, Padding, testing::Clock};
use serde_json::{Value, json};

/// Entries that are sealed.
const ENTRIES: usize = 300;
/// The time in Unix milliseconds at which they are.
const NOW: u64 = 1_790_000_000_000;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 bytes that are no passphrase, and their keyring.
fn master(random: &mut fastrand::Rng) -> ([u8; 32], MasterKey) {
    loop {
        let bytes: [u8; 32] = std::array::from_fn(|_| random.u8(..));
        if let Ok(key) = MasterKey::from_bytes(&bytes) {
            return (bytes, key);
        }
    }
}

fn text(random: &mut fastrand::Rng, range: std::ops::Range<usize>) -> String {
    (0..random.usize(range))
        .map(|_| *random.choice(&['a', 'Z', '9', '-', '_', ':', 'é', '漢']).unwrap())
        .collect()
}

/// One entry of random keys, place and value, as a row of the vectors.
async fn sealed(random: &mut fastrand::Rng) -> Value {
    let ((sealing, sealing_key), (naming, naming_key)) = (master(random), master(random));
    let keyring = Keyring::with_accepted(sealing_key, [], naming_key).unwrap();
    let (tenant, namespace, epoch) = (text(random, 1..60), text(random, 0..60), random.u64(..));
    let (schema, ttl) = (random.u32(..), random.bool().then(|| random.u64(1..1 << 40)));
    let store = MemoryBackend::new();
    let handle = EncryptedBackend::new(store.clone(), keyring.tenant(&tenant).unwrap())
        .namespace(&namespace)
        .unwrap()
        .epoch(epoch)
        .schema(schema)
        .clock(&Clock::at(NOW))
        .padding(random.choice([Padding::Padme, Padding::None, Padding::Fixed(100)]).unwrap())
        .unwrap();
    let key =
        json!([text(random, 0..40), random.u64(..), random.i64(..), { text(random, 0..9): null, "b": true }]);
    let value: Vec<u8> = (0..random.usize(0..3_000)).map(|_| random.u8(..)).collect();
    handle.set_bytes(&key, &value, ttl.map(Duration::from_millis)).await.unwrap();
    let entry = store.entries().remove(0).1;
    let expires_at = ttl.map_or(u64::MAX, |ttl| NOW + ttl);
    let meta = json!({
        "flags": 0, "codec": 2, "schema": schema, "created_at": NOW, "stale_at": expires_at,
        "expires_at": expires_at, "tags": [],
    });
    json!({
        "name": "sealed in this run", "accepted_masters": [hex(&sealing)], "naming_master": hex(&naming),
        "tenant": tenant, "namespace": namespace, "epoch": epoch, "key": key, "now": NOW, "schema": schema,
        "envelope": hex(&entry), "expect": "ok", "payload": hex(&value), "meta": meta,
    })
}

/// Whether the reference opens each of these rows.
fn reference_opens(rows: &[Value]) -> bool {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/python/bin/python3");
    assert!(
        python.exists(),
        "{} is missing. Install it: python3 -m venv target/python && \
         target/python/bin/pip install -r docs/requirements.txt",
        python.display()
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&file, rows).unwrap();
    let mut command = Command::new(python);
    let output =
        command.arg(root.join("docs/reference.py")).arg("--entries").arg(file.path()).output().unwrap();
    eprintln!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

#[tokio::test]
async fn reference_opens_what_is_sealed_in_this_run() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rows = Vec::new();
    for _ in 0..ENTRIES {
        rows.push(sealed(&mut random).await);
    }
    assert!(reference_opens(&rows));
    // The control: a payload of one byte more is noticed.
    let payload = rows[7]["payload"].as_str().unwrap().to_owned() + "00";
    rows[7]["payload"] = payload.into();
    assert!(!reference_opens(&rows));
}
