use std::io::Write as _;

use super::*;

const META: Meta = Meta { codec: Codec::Raw, schema: 7, created_at: 1, stale_at: 2, expires_at: 3 };

// ---- limits

#[test]
fn an_entry_has_at_least_116_bytes() {
    for (length, fits) in [(0, false), (64, false), (115, false), (116, true), (117, true)] {
        let entry: Vec<u8> = MAGIC.into_iter().chain([0; 113]).take(length).collect();
        assert_eq!(Header::parse(&entry).err(), (!fits).then_some(Unreadable::NotSealed), "{length}");
    }
}

#[test]
fn a_draft_takes_its_limit_and_not_a_byte_more() {
    for (length, fits) in [(99, true), (100, true), (101, false)] {
        let mut draft = Draft::new(&[], 100, Padding::Padme, 0).unwrap();
        assert_eq!(draft.write_all(&vec![7; length]).is_ok(), fits, "{length}");
        let mut draft = Draft::new(&[b"tag"], 100, Padding::Padme, 0).unwrap();
        let written = (0..length).all(|_| draft.write_all(&[7]).is_ok());
        assert_eq!(written, fits, "{length}");
    }
}

#[test]
fn a_tag_has_1_to_255_bytes() {
    for (length, fits) in [(0, false), (1, true), (2, true), (254, true), (255, true), (256, false)] {
        let tag = vec![b't'; length];
        assert_eq!(Draft::new(&[&tag], 100, Padding::Padme, 0).is_ok(), fits, "{length}");
    }
}

#[test]
fn tags_take_at_most_65_535_bytes() {
    let tag = [b't'; 254];
    for (last, fits) in [(253, true), (254, true), (255, false)] {
        let last = vec![b't'; last];
        let tags = [vec![&tag[..]; 256], vec![&last[..]]].concat(); // 256 * 255 = 65,280
        let refused = matches!(Draft::new(&tags, 100, Padding::Padme, 0), Err(Error::Tag));
        assert_eq!(refused, !fits, "{}", last.len());
    }
}

#[test]
fn the_largest_value_with_the_most_tags_fits_the_largest_entry() {
    let tag = [b't'; 254];
    for padding in [Padding::Padme, Padding::None, Padding::Fixed(1000), Padding::LARGEST] {
        let mut draft = Draft::new(&vec![&tag[..]; 257], 5000, padding, 0).unwrap();
        draft.write_all(&[7; 5000]).unwrap();
        let (header, body) = draft.finish(&META);
        assert!((header.len() + body.len()) as u64 <= max_entry(5000));
    }
}

/// Fields and tags take up to 65,571 bytes beside the value; header and GCM tag 80 beside all of that, padded.
#[test]
fn the_largest_entry_is_the_largest_value_padded_most() {
    for (max_value, largest) in [
        (0, 16_777_216 + 80),
        (16_777_216 - 65_572, 16_777_216 + 80),
        (16_777_216 - 65_571, 16_777_216 + 80),
        (16_777_216 - 65_570, 33_554_432 + 80),
        (u32::MAX, 4_362_076_160 + 80), // Padmé
    ] {
        assert_eq!(max_entry(max_value), largest, "{max_value}");
    }
}

// ---- the inner part

/// The inner part of an entry with one tag, 3 bytes of payload and 22 of padding, changed.
fn parsed(change: impl FnOnce(&mut Vec<u8>)) -> Result<Inner, Unreadable> {
    let mut draft = Draft::new(&[b"ab"], 100, Padding::None, 0).unwrap();
    draft.write_all(b"xyz").unwrap();
    let mut inner = draft.finish(&META).1.to_vec();
    inner.resize(64, 0);
    change(&mut inner);
    Inner::parse(&inner)
}

#[test]
fn an_inner_part_tells_what_was_written() {
    let Inner { meta, tags, payload } = parsed(|_| ()).unwrap();
    assert_eq!((meta, tags, payload), (META, 36..39, 39..42));
}

#[test]
fn an_inner_part_shorter_than_its_fields_is_malformed() {
    let empty = |length| {
        let mut inner = vec![0; length];
        inner[1] = 2;
        Inner::parse(&inner).is_ok()
    };
    assert!((2..INNER).all(|length| !empty(length)));
    assert!(empty(INNER) && empty(INNER + 1));
}

#[test]
fn a_payload_ends_at_the_end_of_the_inner_part_at_most() {
    for (length, fits) in [(3, true), (24, true), (25, true), (26, false), (u32::MAX, false)] {
        let longer = parsed(|inner| inner[32..36].copy_from_slice(&length.to_be_bytes()));
        assert_eq!(longer.is_ok(), fits, "{length}");
    }
}

#[test]
fn a_tag_ends_at_the_end_of_the_tags() {
    for (length, fits) in [(0, false), (1, false), (2, true), (3, false), (255, false)] {
        assert_eq!(parsed(|inner| inner[36] = length).is_ok(), fits, "{length}");
    }
    for list in [[1, b'a', 1], [1, b'a', 0], [0, 1, b'a']] {
        assert!(parsed(|inner| inner[36..39].copy_from_slice(&list)).is_err(), "{list:?}");
    }
}

#[test]
fn times_stand_in_their_order() {
    for (times, fits) in [
        ([1, 1, 1], true),
        ([1, 1, 2], true),
        ([1, 2, 2], true),
        ([2, 1, 2], false),
        ([1, 2, 1], false),
        ([3, 2, 1], false),
    ] {
        let ordered = parsed(|inner| {
            for (at, time) in [8, 16, 24].into_iter().zip(times) {
                inner[at..at + 8].copy_from_slice(&u64::to_be_bytes(time));
            }
        });
        assert_eq!(ordered.is_ok(), fits, "{times:?}");
    }
}

#[test]
fn padding_is_zero() {
    for at in 42..64 {
        assert_eq!(parsed(|inner| inner[at] = 1).err(), Some(Unreadable::Malformed), "{at}");
    }
    for (one, other) in [(1, 1), (1, 2), (0xFF, 0xFF)] {
        let padded = parsed(|inner| (inner[42], inner[63]) = (one, other));
        assert_eq!(padded.err(), Some(Unreadable::Malformed), "{one} and {other}");
    }
}

// ---- where a draft stands

#[test]
fn a_draft_that_grows_keeps_its_payload() {
    let payload: Vec<u8> = (0..100_000_u32).map(|at| at as u8).collect();
    let mut draft = Draft::new(&[b"tag"], 1 << 20, Padding::Padme, 0).unwrap();
    payload.chunks(77).for_each(|chunk| assert_eq!(draft.write(chunk).unwrap(), chunk.len()));
    assert_eq!(draft.payload(), payload);
}

#[test]
fn a_draft_of_the_expected_length_is_sealed_where_it_was_written() {
    for padding in [Padding::Padme, Padding::None, Padding::Fixed(4096)] {
        let mut draft = Draft::new(&[b"tag"], 1 << 20, padding, 5000).unwrap();
        let at = draft.bytes.as_ptr();
        draft.write_all(&[7; 5000]).unwrap();
        draft.finish(&META);
        let sealed = draft.into_sealed();
        assert_eq!(sealed.as_ptr(), at);
    }
}

/// What grows by itself, as a `Vec` does, leaves the plaintext where it was.
#[test]
fn a_draft_that_one_write_outgrows_is_sealed_where_that_put_it() {
    for padding in [Padding::Padme, Padding::None, Padding::Fixed(4096)] {
        let mut draft = Draft::new(&[b"tag"], 1 << 20, padding, 0).unwrap();
        draft.write_all(&[7; 5000]).unwrap();
        let (at, room) = (draft.bytes.as_ptr(), draft.bytes.capacity());
        draft.finish(&META);
        let sealed = draft.into_sealed();
        assert_eq!((sealed.as_ptr(), sealed.capacity()), (at, room), "{padding:?}");
    }
}

#[test]
fn a_draft_grows_to_what_its_limit_can_fill_and_no_further() {
    for (padding, room) in [
        (Padding::None, 64 + 40 + 1000 + 16),
        (Padding::Padme, 64 + 1088 + 16),
        (Padding::Fixed(300), 64 + 1200 + 16),
    ] {
        let mut draft = Draft::new(&[b"tag"], 1000, padding, 0).unwrap();
        (0..1000).for_each(|_| draft.write_all(&[7]).unwrap());
        assert_eq!(draft.bytes.capacity(), room, "{padding:?}");
        draft.finish(&META);
        assert_eq!((draft.bytes.len(), draft.bytes.capacity()), (room, room), "{padding:?}");
    }
}

#[test]
fn a_draft_grows_by_its_padding_and_no_further() {
    let mut draft = Draft::new(&[], 1000, Padding::Padme, 0).unwrap();
    draft.write_all(&[7; 400]).unwrap();
    assert_eq!(draft.bytes.capacity(), 512);
    draft.finish(&META);
    assert_eq!(draft.bytes.capacity(), 64 + 448 + 16);
}
