use std::io::Write as _;

use super::{
    super::{keyring::Keyring, master::MasterKey, padding::Padding},
    *,
};

/// An entry or a marker, and what opens it.
struct Written {
    keys: TenantKeys,
    locator: Locator,
    kind: Kind,
    meta: Meta,
    entry: Bytes,
}

fn written(kind: Kind, meta: Meta, tags: &[&[u8]], payload: &[u8]) -> Written {
    let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap().tenant("acme").unwrap();
    let locator = Locator::derive(&keys, kind, 0, "", b"name");
    let mut draft = Draft::new(tags, 1000, Padding::Padme, 0).unwrap();
    draft.write_all(payload).unwrap();
    let entry = seal(&keys, &locator, draft, &meta).unwrap().into_bytes();
    Written { keys, locator, kind, meta, entry }
}

impl Written {
    /// Opens a copy at this time, whatever its codec.
    fn open_at(&self, now: u64) -> Result<Opened, Refusal> {
        let ask = Ask { kind: self.kind, now, schema: self.meta.schema, codec: None, max_entry: 1 << 20 };
        open(&self.keys, &self.locator, Bytes::copy_from_slice(&self.entry), &ask)
    }
}

const NOW: u64 = 1_790_000_000_000;

/// As every marker is.
const META: Meta =
    Meta { codec: Codec::Raw, schema: 0, created_at: NOW, stale_at: NOW + 1000, expires_at: NOW + 1000 };

#[test]
fn an_opened_entry_tells_what_was_sealed() {
    let (longest, meta) = ([b't'; 255], Meta { codec: Codec::MessagePack, schema: 9, ..META });
    let written = written(Kind::Entry, meta, &[b"a", &longest, b"bc"], b"payload");
    let opened = written.open_at(NOW).unwrap();
    assert_eq!((opened.meta(), opened.payload()), (meta, &b"payload"[..]));
    assert_eq!(opened.tags().collect::<Vec<_>>(), [b"a", &longest[..], b"bc"]);
    assert_eq!(opened.key_id().to_bytes(), written.entry[4..8]);
    assert_eq!(opened.into_payload(), b"payload"[..]);
}

#[test]
fn an_entry_lives_until_its_expiry_and_not_a_millisecond_longer() {
    let written = written(Kind::Entry, META, &[], b"");
    for (at, alive) in [(0, true), (999, true), (1000, false), (1001, false)] {
        let refused = written.open_at(NOW + at).err();
        assert_eq!(refused, (!alive).then_some(Refusal::Expired), "after {at} ms");
    }
}

#[test]
fn a_clock_may_be_5_minutes_behind_the_writers() {
    let written = written(Kind::Entry, META, &[], b"");
    for (behind, opens) in [(299_999, true), (300_000, true), (300_001, false)] {
        let refused = written.open_at(NOW - behind).err();
        let future = Refusal::Unreadable(Unreadable::FromTheFuture);
        assert_eq!(refused, (!opens).then_some(future), "{behind} ms behind");
    }
}

#[test]
fn another_schema_or_codec_than_asked_for_is_a_miss() {
    let written = written(Kind::Entry, META, &[], b"");
    for (schema, codec, opens) in [
        (0, None, true),
        (0, Some(Codec::Raw), true),
        (0, Some(Codec::MessagePack), false),
        (1, None, false),
        (1, Some(Codec::Raw), false),
        (1, Some(Codec::MessagePack), false),
    ] {
        let ask = Ask { kind: Kind::Entry, now: NOW, schema, codec, max_entry: 1 << 20 };
        let refused = open(&written.keys, &written.locator, written.entry.clone(), &ask).err();
        assert_eq!(refused, (!opens).then_some(Refusal::Schema), "{schema} and {codec:?}");
    }
}

#[test]
fn a_marker_has_nothing_but_its_times() {
    let opens = |meta, tags: &[&[u8]], payload: &[u8]| {
        let refused = written(Kind::Tag, meta, tags, payload).open_at(NOW).err();
        assert!(matches!(refused, None | Some(Refusal::Unreadable(Unreadable::Malformed))), "{refused:?}");
        refused.is_none()
    };
    assert!(opens(META, &[], b""));
    assert!(!opens(META, &[], b"payload"));
    assert!(!opens(META, &[b"tag"], b""));
    assert!(!opens(META, &[b"tag"], b"payload"));
    assert!(!opens(Meta { codec: Codec::MessagePack, ..META }, &[], b""));
    assert!(!opens(Meta { schema: 1, ..META }, &[], b""));
    assert!(!opens(Meta { stale_at: META.expires_at - 1, ..META }, &[], b""));
}

#[test]
fn what_a_store_gets_has_at_least_116_bytes_and_the_magic_in_front() {
    for (length, fits) in [(0, false), (4, false), (115, false), (116, true), (117, true)] {
        let entry: Vec<u8> = MAGIC.into_iter().chain([0; 113]).take(length).collect();
        let sealed = Sealed::parse(entry.clone());
        assert_eq!(sealed.as_ref().map(Sealed::as_bytes), fits.then_some(&entry[..]).ok_or(&NotSealed));
        if let Ok(sealed) = sealed {
            assert_eq!((sealed.len(), format!("{sealed:?}")), (length, format!("Sealed({length} bytes)")));
            assert_eq!(sealed.into_bytes(), entry);
        }
    }
    for at in 0..MAGIC.len() {
        let mut entry = [&MAGIC[..], &[0; 112]].concat();
        entry[at] ^= 1;
        assert_eq!(Sealed::parse(entry), Err(NotSealed), "byte {at} of the magic");
    }
}
