//! Entries: what any bytes, any edit, any place and any inner part come to.
#![allow(clippy::expect_used)] // a broken property

use std::{io::Write as _, sync::LazyLock};

use bytes::Bytes;

use super::{any::Any, input::Input};
#[cfg(feature = "aws-lc-rs")]
use crate::crypto::AwsLc;
use crate::{
    codec,
    crypto::{
        Aead, Ask, Codec, Draft, Keyring, Kind, Locator, MasterKey, Meta, NEVER, Opened, Padding, Refusal,
        RustCrypto, TenantKeys, open as open_entry, rewritten, seal, seal_inner,
    },
    error::Unreadable,
};

/// The master key of the vectors, so that their entries get past the key id.
const MASTER: &str = "cfe4d877507986e428f59abbbc750bb57a515653d969d3913ff6239005da3895";
/// The time, in Unix milliseconds, at which entries are opened: that of the vectors.
const NOW: u64 = 1_790_000_000_001;
/// Bytes in front of the ciphertext.
const HEADER: usize = 64;
/// Bytes of an entry without tags, payload and padding.
const OVERHEAD: usize = 116;

static KEYS: LazyLock<TenantKeys> = LazyLock::new(|| tenant(MASTER, "acme").expect("a good master key"));

fn tenant(master: &str, id: &str) -> Option<TenantKeys> {
    Keyring::new(MasterKey::parse(master).ok()?).ok()?.tenant(id).ok()
}

/// A place that nothing was ever written to but by the target itself.
fn here() -> Locator {
    Locator::derive(&KEYS, Kind::Entry, 7, "fuzz", b"\x01")
}

fn ask(kind: Kind) -> Ask {
    Ask { kind, now: NOW, schema: 0, codec: None, max_entry: 1 << 30 }
}

fn opened(entry: &[u8]) -> Result<Opened, Refusal> {
    open_entry(&KEYS, &here(), Bytes::copy_from_slice(entry), &ask(Kind::Entry))
}

/// Any bytes are refused.
pub fn open(data: &[u8]) {
    for kind in [Kind::Entry, Kind::Tag] {
        let refused = open_entry(&KEYS, &here(), Bytes::copy_from_slice(data), &ask(kind));
        assert!(matches!(refused, Err(Refusal::Unreadable(_))), "opened, or refused after decryption");
    }
}

/// What parses writes back to the same bytes.
pub fn header(data: &[u8]) {
    match rewritten(data) {
        Ok(header) => assert_eq!(header, data[..HEADER]),
        Err(why) => assert!(
            data.len() < OVERHEAD || !data.starts_with(b"\xC1bc\x01"),
            "an entry in shape is refused: {why}"
        ),
    }
}

/// What is sealed is opened, is as long as predicted, and does not look like MessagePack.
pub fn seal_open(data: &[u8]) {
    let mut input = Input(data);
    let padding = match input.byte() % 3 {
        0 => Padding::Padme,
        1 => Padding::None,
        _ => Padding::Fixed(u32::from(input.byte()) + 1),
    };
    let created_at = input.number() % (NOW + 300_001);
    let expires_at =
        if input.byte() % 4 == 0 { NEVER } else { created_at.max(NOW) + 1 + input.number() % (1 << 62) };
    let stale_at = created_at + input.number() % (expires_at - created_at);
    let codec = if input.byte() % 2 == 0 { Codec::MessagePack } else { Codec::Raw };
    let meta = Meta { codec, schema: 0, created_at, stale_at, expires_at };
    let tags: Vec<&[u8]> = (0..input.byte() % 5).map(|_| input.piece()).collect();
    let payload = input.rest();

    let draft = Draft::new(&tags, u32::MAX, padding, payload.len() / 2);
    assert_eq!(draft.is_ok(), tags.iter().all(|tag| !tag.is_empty()), "an empty tag, or a good one refused");
    let Ok(mut draft) = draft else { return };
    draft.write_all(payload).expect("far below the limit");
    let sealed = seal(&KEYS, &here(), draft, &meta).expect("the system gives random bytes");

    let list: usize = tags.iter().map(|tag| 1 + tag.len()).sum();
    let inner = padding.padded((36 + list + payload.len()) as u64) as usize;
    assert_eq!(sealed.len(), HEADER + inner + 16);
    assert_eq!(sealed.as_bytes()[0], 0xC1);
    let opened = opened(sealed.as_bytes()).expect("what was sealed opens");
    assert_eq!((opened.meta(), opened.payload()), (meta, payload));
    assert!(opened.tags().eq(tags.iter().copied()));
}

/// An entry that was edited never opens: flips, insertions, deletions, a cut, or a splice of two.
pub fn mutate(data: &[u8]) {
    let mut input = Input(data);
    let first = seal_inner(&KEYS, &here(), input.array(), &inner_of(input.piece()));
    let second = seal_inner(&KEYS, &here(), input.array(), &inner_of(input.piece()));
    let mut edited = first.clone();
    for _ in 0..=input.byte() % 8 {
        let at = input.below(edited.len());
        match input.byte() % 6 {
            0 if at < edited.len() => edited[at] ^= input.byte().max(1),
            1 => edited.insert(at, input.byte()),
            2 if at < edited.len() => drop(edited.remove(at)),
            3 => edited.truncate(at),
            4 => edited = [&edited[..at], &second[at.min(second.len())..]].concat(),
            _ => edited.extend_from_slice(input.piece()),
        }
    }
    assert!(opened(&first).is_ok() && opened(&second).is_ok());
    if edited != first && edited != second {
        let refused = opened(&edited).map(drop);
        assert!(matches!(refused, Err(Refusal::Unreadable(_))), "an edited entry opened");
    }
}

/// A well-formed inner part around this payload.
fn inner_of(payload: &[u8]) -> Vec<u8> {
    let times = [0, NEVER, NEVER].map(u64::to_be_bytes).concat();
    let length = (payload.len() as u32).to_be_bytes();
    [&[0, 2, 0, 0, 0, 0, 0, 0][..], &times, &length, payload].concat()
}

/// Two places that differ have different names, and do not open each other's entries.
pub fn context(data: &[u8]) {
    let mut input = Input(data);
    let mut place = || {
        let master = if input.byte() % 2 == 0 { MASTER.to_owned() } else { MASTER.replace("cf", "ce") };
        let kind = if input.byte() % 4 == 0 { Kind::Tag } else { Kind::Entry };
        (master, input.text(), kind as u8, input.number() % 3, input.text(), input.piece().to_vec())
    };
    let (one, other) = (place(), place());
    let keys = |place: &(String, String, u8, u64, String, Vec<u8>)| {
        let keys = tenant(&place.0, &place.1)?;
        let kind = if place.2 == Kind::Tag as u8 { Kind::Tag } else { Kind::Entry };
        let locator = Locator::derive(&keys, kind, place.3, &place.4, &place.5);
        Some((keys, locator))
    };
    let (Some((one_keys, one_place)), Some((other_keys, other_place))) = (keys(&one), keys(&other)) else {
        return;
    };
    assert_eq!(one_place.0 == other_place.0, one == other, "a shared name");
    let entry = Bytes::from(seal_inner(&one_keys, &one_place, input.array(), &inner_of(b"value")));
    let opened = open_entry(&other_keys, &other_place, entry, &ask(Kind::Entry)).is_ok();
    assert_eq!(opened, one == other, "an entry of another place");
}

/// An authentic entry of any inner part: read within its bounds, or malformed.
pub fn inner(data: &[u8]) {
    let mut input = Input(data);
    let kind = if input.byte() % 4 == 0 { Kind::Tag } else { Kind::Entry };
    let inner = input.rest();
    let entry = Bytes::from(seal_inner(&KEYS, &here(), [7; 24], inner));
    match open_entry(&KEYS, &here(), entry, &ask(kind)) {
        Ok(opened) => {
            let tags: usize = opened.tags().map(|tag| 1 + tag.len()).sum();
            assert_eq!(tags, opened.tag_list().len());
            assert!(36 + tags + opened.payload().len() <= inner.len());
            assert!(kind == Kind::Entry || (tags, opened.payload().len()) == (0, 0));
            let _ = codec::decode::<Any>(opened.payload());
        }
        Err(Refusal::Unreadable(why)) => {
            assert!(matches!(why, Unreadable::Malformed | Unreadable::FromTheFuture | Unreadable::NotSealed));
        }
        Err(Refusal::Expired | Refusal::Schema) => {}
    }
}

/// Both implementations of AES-256-GCM seal to the same bytes, and open and refuse the same.
pub fn aead(data: &[u8]) {
    let mut input = Input(data);
    let (key, iv, tag) = (input.array(), input.array(), input.array::<16>());
    let (associated, body) = (input.piece(), input.rest());
    let sealed = both(|cipher| {
        let mut sealed = body.to_vec();
        let tag = (cipher.seal)(&key, &iv, associated, &mut sealed);
        [&sealed[..], &tag].concat()
    });
    let open = |sealed: &[u8]| {
        both(|cipher| {
            let mut opened = sealed.to_vec();
            (cipher.open)(&key, &iv, associated, &mut opened).then(|| opened[..sealed.len() - 16].to_vec())
        })
    };
    assert_eq!(open(&sealed).as_deref(), Some(body));
    let forged = [&sealed[..body.len()], &tag].concat();
    assert_eq!(open(&forged).is_some(), forged == sealed);
    open(&body[..body.len().min(15)]);
}

type Seal = fn(&[u8; 32], &[u8; 12], &[u8], &mut [u8]) -> [u8; 16];
type OpenBody = fn(&[u8; 32], &[u8; 12], &[u8], &mut [u8]) -> bool;

struct Cipher {
    seal: Seal,
    open: OpenBody,
}

impl Cipher {
    fn of<A: Aead>() -> Self {
        Self { seal: A::seal, open: |key, iv, aad, body| A::open(key, iv, aad, body).is_ok() }
    }
}

/// What both give, or the one that there is.
fn both<T: PartialEq>(work: impl Fn(&Cipher) -> T) -> T {
    let given = work(&Cipher::of::<RustCrypto>());
    #[cfg(feature = "aws-lc-rs")]
    assert!(work(&Cipher::of::<AwsLc>()) == given, "the implementations differ");
    given
}
