//! What blinding, sealing and opening cost beside the bare cryptography on the same bytes.
//!
//! ```text
//! cargo bench --bench crypto                          # 25 seconds
//! cargo bench --bench crypto -- --json FILE           # and one JSON object for each row
//! cargo bench --bench crypto --no-default-features    # RustCrypto's cipher alone
//! ```
//!
//! The rows for one size run in turn, round by round, in one process, and a ratio is to the `bare` row above: smallest
//! to smallest, median to median. On a busy machine only the ratios mean something.
//!
//! The bare AEAD gets what `blindcache` gives it: as many bytes as the padded inner part has, and 96 bytes of
//! associated data.
//!
//! - `bare seal`, `bare open`: in place, the key schedule set up once for all entries;
//! - `+ key`: the key schedule set up for each entry, as the format wants it;
//! - `+ key + copy`: and first a buffer of the entry's length allocated, the entry copied there;
//! - `seal`: in the buffer that the value was encoded in; 24 bytes from the system, two expansions, the AEAD; `encode + seal`:
//!   and first that buffer allocated, the payload copied there;
//! - `open`: in the buffer that arrived; `open, wiped`: then the plaintext wiped and freed, as after every `get`;
//!   `open, shared`: in a copy, since something else holds the entry.
//!
//! Other inputs are made before the clock starts; what comes out is dropped after it stops, but for that wipe.
#![allow(clippy::unwrap_used)] // a benchmark

use std::{
    collections::HashMap,
    env,
    fs::File,
    hint::black_box,
    io::Write as _,
    time::{Duration, Instant},
};

use aes_gcm::{Aes256Gcm, aead::AeadInOut as _};
#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use blindcache::{
    Padding,
    testing::bench::{Cipher, Steps},
};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const SIZES: [usize; 5] = [64, 1 << 10, 16 << 10, 128 << 10, 1 << 20];
/// How long each set runs: one for names, one for each size.
const TIME: Duration = Duration::from_secs(4);
const MAX_ROUNDS: usize = 10_000;
/// Calls timed at once: as many as touch about this many bytes, and no more than 64.
const BATCH: usize = 64 << 10;

const NAMESPACE: &str = "users";
const HEADER: usize = 64;
const FIELDS: usize = 36;
const TAG: usize = 16;
const AAD: [u8; 96] = [3; 96];
/// The same for every entry: nothing here is secret.
const IV: [u8; 12] = [5; 12];
const KEY: [u8; 32] = [7; 32];

/// What runs in turn, one row beside the other.
#[derive(Default)]
struct Set {
    rows: Vec<Row>,
    /// Of the rows that are added next.
    what: String,
    base: &'static str,
}

struct Row {
    what: String,
    name: &'static str,
    /// The row of the same `what` that the ratio is to.
    base: &'static str,
    /// Times one batch: the nanoseconds of a call.
    work: Box<dyn Fn() -> f64>,
    samples: Vec<f64>,
}

fn main() {
    let quick = !env::args().any(|arg| arg == "--bench"); // which cargo bench says, and cargo test does not
    let json = env::args().skip_while(|arg| arg != "--json").nth(1);
    let mut json = json.map(|path| File::create(path).unwrap());
    let steps: &'static Steps = Box::leak(Box::new(Steps::new(NAMESPACE).unwrap()));

    println!("cargo bench --bench crypto");
    println!("\n{:<23}{:<15}{:>11}{:>11}{:>11}{:>11}", "", "", "min ns", "median ns", "min ratio", "median");
    Set::names(steps).run(quick).report(&mut json);
    for size in SIZES {
        let mut set = Set::default();
        #[cfg(feature = "aws-lc-rs")]
        set.entries::<LessSafeKey>(steps, size);
        set.entries::<Aes256Gcm>(steps, size);
        set.run(quick).report(&mut json);
    }
}

impl Set {
    /// From the canonical bytes of a logical key to its name in a store.
    fn names(steps: &'static Steps) -> Self {
        let mut set = Self::default();
        for length in [8, 64, 1024] {
            let key: &'static [u8] = vec![b'k'; length].leak();
            let message: &'static [u8] = [&[2; 13], NAMESPACE.as_bytes(), key].concat().leak();
            let hmac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
            let bare = move |message| hmac.clone().chain_update(message).finalize();
            (set.what, set.base) = (format!("key of {length} B"), "bare HMAC");
            set.add("bare HMAC", move || vec![message; 64], bare);
            set.add("blind", move || vec![key; 64], |key| steps.blind(key));
        }
        set
    }

    /// The rows of one cipher and one size of payload.
    fn entries<B: Bare + 'static>(&mut self, steps: &'static Steps, size: usize) {
        let calls = (BATCH / size).clamp(1, 64);
        let padded = Padding::Padme.padded((FIELDS + size) as u64) as usize;
        let plain: &'static [u8] = vec![1; HEADER + padded + TAG].leak();
        let payload = &plain[HEADER + FIELDS..][..size]; // as warm for `seal` as for the bare rows
        let cipher: &'static B = Box::leak(Box::new(B::new(&KEY)));
        let sealed: &'static [u8] = cipher.seal(plain.to_vec()).leak();

        let entry = steps.seal(B::CIPHER, payload).unwrap().into_bytes();
        assert_eq!(steps.open(B::CIPHER, entry.clone()).unwrap().payload(), payload);
        assert_eq!(entry.len(), sealed.len());
        let shared = entry.clone();
        let arrived = move || (0..calls).map(|_| Bytes::from(entry.to_vec())).collect();
        let open = |entry| steps.open(B::CIPHER, entry).unwrap();

        (self.what, self.base) = (format!("{}, {size} B", B::NAME), "bare seal");
        self.add("bare seal", move || vec![plain.to_vec(); calls], |entry| cipher.seal(entry));
        self.add("+ key", move || vec![plain.to_vec(); calls], |entry| B::new(&KEY).seal(entry));
        self.add("+ key + copy", move || vec![plain; calls], |entry| B::new(&KEY).seal(entry.to_vec()));
        let drafts = move || (0..calls).map(|_| steps.draft(payload).unwrap()).collect();
        self.add("seal", drafts, |draft| steps.seal_in_place(B::CIPHER, draft).unwrap());
        self.add("encode + seal", move || vec![payload; calls], |it| steps.seal(B::CIPHER, it).unwrap());
        self.base = "bare open";
        self.add("bare open", move || vec![sealed.to_vec(); calls], |entry| cipher.open(entry));
        self.add("+ key", move || vec![sealed.to_vec(); calls], |entry| B::new(&KEY).open(entry));
        self.add("+ key + copy", move || vec![sealed; calls], |entry| B::new(&KEY).open(entry.to_vec()));
        self.add("open", arrived.clone(), open);
        self.add("open, wiped", arrived, move |entry| drop(open(entry)));
        self.add("open, shared", move || vec![shared.clone(); calls], open);
    }

    fn add<I, O, Inputs, Work>(&mut self, name: &'static str, inputs: Inputs, work: Work)
    where
        Inputs: Fn() -> Vec<I> + 'static,
        Work: Fn(I) -> O + 'static,
    {
        let (what, base) = (self.what.clone(), self.base);
        let work = Box::new(move || timed(inputs(), &work));
        self.rows.push(Row { what, name, base, work, samples: Vec::new() });
    }

    /// Runs the rows in turn until their time is up, each round beginning with another one.
    fn run(mut self, quick: bool) -> Self {
        let start = Instant::now();
        for round in 0..if quick { 1 } else { MAX_ROUNDS } {
            for turn in 0..self.rows.len() {
                let at = (round + turn) % self.rows.len();
                let nanos = (self.rows[at].work)();
                self.rows[at].samples.push(nanos);
            }
            if start.elapsed() >= TIME {
                break;
            }
        }
        self
    }

    fn report(self, json: &mut Option<File>) {
        let mut bases = HashMap::new();
        for Row { what, name, base, work: _, mut samples } in self.rows {
            samples.sort_by(f64::total_cmp);
            let (min, median) = (samples[0], samples[samples.len() / 2]);
            let (base_min, base_median) = *bases.entry((what.clone(), base)).or_insert((min, median));
            let (min_ratio, ratio) = (min / base_min, median / base_median);
            println!("{what:<23}{name:<15}{min:>11.0}{median:>11.0}{min_ratio:>11.2}{ratio:>11.2}");
            if let Some(file) = json {
                let row = serde_json::json!({
                    "what": what, "row": name, "base": base, "rounds": samples.len(),
                    "min_ns": min, "median_ns": median, "min_ratio": min_ratio, "median_ratio": ratio,
                });
                writeln!(file, "{row}").unwrap();
            }
        }
    }
}

/// Runs `work` on all inputs; what it returns is dropped after the time was taken.
fn timed<I, O>(inputs: Vec<I>, work: impl Fn(I) -> O) -> f64 {
    let calls = inputs.len();
    let mut done = Vec::with_capacity(calls);
    let start = Instant::now();
    done.extend(inputs.into_iter().map(|input| work(black_box(input))));
    let nanos = start.elapsed().as_nanos() as f64;
    black_box(done);
    nanos / calls as f64
}

/// The cipher without `blindcache`, on an entry's bytes behind its header, in place.
trait Bare {
    const CIPHER: Cipher;
    const NAME: &str;
    fn new(key: &[u8; 32]) -> Self;
    fn seal(&self, entry: Vec<u8>) -> Vec<u8>;
    fn open(&self, entry: Vec<u8>) -> Vec<u8>;
}

#[cfg(feature = "aws-lc-rs")]
impl Bare for LessSafeKey {
    const CIPHER: Cipher = Cipher::AwsLc;
    const NAME: &str = "aws-lc-rs";

    fn new(key: &[u8; 32]) -> Self {
        Self::new(UnboundKey::new(&AES_256_GCM, black_box(key)).unwrap())
    }

    fn seal(&self, mut entry: Vec<u8>) -> Vec<u8> {
        let (body, tag) = entry[HEADER..].split_last_chunk_mut::<TAG>().unwrap();
        let iv = Nonce::assume_unique_for_key(IV);
        let made = self.seal_in_place_separate_tag(iv, Aad::from(AAD), body).unwrap();
        tag.copy_from_slice(made.as_ref());
        entry
    }

    fn open(&self, mut entry: Vec<u8>) -> Vec<u8> {
        let iv = Nonce::assume_unique_for_key(IV);
        self.open_in_place(iv, Aad::from(AAD), &mut entry[HEADER..]).unwrap();
        entry
    }
}

impl Bare for Aes256Gcm {
    const CIPHER: Cipher = Cipher::RustCrypto;
    const NAME: &str = "aes-gcm";

    fn new(key: &[u8; 32]) -> Self {
        aes_gcm::KeyInit::new(black_box(key).into())
    }

    fn seal(&self, mut entry: Vec<u8>) -> Vec<u8> {
        let (body, tag) = entry[HEADER..].split_last_chunk_mut::<TAG>().unwrap();
        let made = self.encrypt_inout_detached((&IV).into(), &AAD, body.into()).unwrap();
        tag.copy_from_slice(&made);
        entry
    }

    fn open(&self, mut entry: Vec<u8>) -> Vec<u8> {
        let (body, tag) = entry[HEADER..].split_last_chunk_mut::<TAG>().unwrap();
        self.decrypt_inout_detached((&IV).into(), &AAD, body.into(), (&*tag).into()).unwrap();
        entry
    }
}
