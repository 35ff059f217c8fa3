use std::{collections::HashSet, fmt};

use serde::{Serialize, Serializer, ser::SerializeSeq};
use serde_json::{Value, json};

use super::{
    super::{Bytes, CacheKey, INLINE, Key},
    Shape, bytes, refused,
};
use crate::error::KeyError;

fn arrays(depth: usize) -> Value {
    (1..depth).fold(json!([]), |inner, _| json!([inner]))
}

#[test]
fn at_most_64_containers_inside_each_other() {
    assert_eq!(bytes(&arrays(63)).len(), 63);
    assert_eq!(bytes(&arrays(64)).len(), 64);
    assert_eq!(refused(&arrays(65)), KeyError::TooDeep);

    let maps = |depth| (0..depth).fold(json!(0), |inner, _| json!({"a": inner}));
    assert_eq!(bytes(&maps(63)).len(), 63 * 3 + 1);
    assert_eq!(bytes(&maps(64)).len(), 64 * 3 + 1);
    assert_eq!(refused(&maps(65)), KeyError::TooDeep);

    let variants = |depth| (0..depth).fold(Shape::Point, |inner, _| Shape::Of(Box::new(inner)));
    assert!(variants(63).to_cache_key().is_ok());
    assert!(variants(64).to_cache_key().is_ok());
    assert_eq!(refused(&variants(65)), KeyError::TooDeep);
    assert_eq!(refused(&variants(1_000)), KeyError::TooDeep);

    // A variant with fields is two: its map, and the array or map inside.
    let inside = |around, content| (0..around).fold(content, |inner, _| Shape::Of(Box::new(inner)));
    assert!(inside(62, Shape::Wide(1, 2)).to_cache_key().is_ok());
    assert_eq!(refused(&inside(63, Shape::Wide(1, 2))), KeyError::TooDeep);
    assert!(inside(62, Shape::Named { b: 1, a: 2 }).to_cache_key().is_ok());
    assert_eq!(refused(&inside(63, Shape::Named { b: 1, a: 2 })), KeyError::TooDeep);
}

#[test]
fn containers_beside_each_other_do_not_add_up() {
    let list: Vec<Shape> = (0..70).map(|_| Shape::Of(Box::new(Shape::Wide(1, 2)))).collect();
    assert!(list.to_cache_key().is_ok());
    assert!(vec![Some(json!({"a": []})); 300].to_cache_key().is_ok());
    assert!(vec![Shape::Named { b: 1, a: 2 }, Shape::Empty {}].to_cache_key().is_ok());
}

#[test]
fn wrappers_that_leave_no_bytes_cannot_exhaust_the_stack() {
    #[derive(Serialize)]
    struct Endless(Option<Box<Endless>>);
    // One wrapper more than twice the length.
    let chain = |length| (0..length).fold(Endless(None), |inner, _| Endless(Some(Box::new(inner))));
    assert_eq!(bytes(&chain(127)), [0xc0], "255");
    assert_eq!(bytes(&Some(chain(127))), [0xc0], "256");
    assert_eq!(refused(&chain(128)), KeyError::TooDeep, "257");
    assert_eq!(refused(&chain(1_000)), KeyError::TooDeep);
    assert_eq!(bytes(&[chain(127), chain(127)]), [0x92, 0xc0, 0xc0], "beside each other they do not add up");
}

#[test]
fn exactly_64_kib_is_the_longest_key() {
    for length in [65_532, 65_533] {
        assert_eq!(bytes(&"x".repeat(length)).len(), length + 3);
        assert_eq!(bytes(&serde_bytes::Bytes::new(&vec![1; length])).len(), length + 3);
        assert_eq!(bytes(&format_args!("{}", "x".repeat(length))).len(), length + 3);
        assert_eq!(bytes(&vec![1_u8; length]).len(), length + 3);
    }
    let long = "x".repeat(65_534);
    assert_eq!(refused(&long), KeyError::TooLong);
    assert_eq!(refused(&serde_bytes::Bytes::new(long.as_bytes())), KeyError::TooLong);
    assert_eq!(refused(&format_args!("{long}")), KeyError::TooLong);
    assert_eq!(refused(&vec![1_u8; 65_534]), KeyError::TooLong);
    assert_eq!(refused("x".repeat(1 << 20).as_str()), KeyError::TooLong);
}

#[test]
fn a_header_that_grows_at_the_end_is_counted() {
    struct Unknown(usize);
    impl Serialize for Unknown {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut seq = serializer.serialize_seq(None)?;
            (0..self.0).try_for_each(|_| seq.serialize_element(&()))?;
            seq.end()
        }
    }
    assert_eq!(bytes(&Unknown(65_533)).len(), 65_536);
    assert_eq!(refused(&Unknown(65_534)), KeyError::TooLong);
    assert_eq!(refused(&Unknown(65_535)), KeyError::TooLong);
    // With 4 bytes in front.
    assert_eq!(bytes(&("ab", Unknown(65_529))).len(), 65_536);
    assert_eq!(refused(&("ab", Unknown(65_530))), KeyError::TooLong);
}

#[test]
fn endless_keys_meet_the_limit_first() {
    // They do end, so that this test fails where there is no limit, and does not hang.
    const ENDLESS: usize = 1 << 20;
    by_hand!(Endless, |serializer| serializer.collect_seq(std::iter::repeat_n((), ENDLESS)));
    assert_eq!(refused(&Endless), KeyError::TooLong);

    struct Text;
    impl fmt::Display for Text {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (0..ENDLESS).try_for_each(|_| f.write_str("more "))
        }
    }
    by_hand!(EndlessText, |serializer| serializer.collect_str(&Text));
    assert_eq!(refused(&EndlessText), KeyError::TooLong);

    struct Quiet;
    impl fmt::Display for Quiet {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let _ = f.write_str(&"x".repeat(65_537));
            f.write_str("short")
        }
    }
    by_hand!(QuietText, |serializer| serializer.collect_str(&Quiet));
    assert_eq!(refused(&QuietText), KeyError::TooLong);

    struct Failing;
    impl fmt::Display for Failing {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            Err(fmt::Error)
        }
    }
    by_hand!(FailingText, |serializer| serializer.collect_str(&Failing));
    assert_eq!(refused(&FailingText), KeyError::Serialize);
}

#[test]
fn a_common_key_takes_no_allocation_and_a_long_text_one() {
    let uuid = "session:6f9619ff-8b86-d011-b42d-00c04fc964ff"; // 44 characters
    let full = "x".repeat(INLINE - 2);
    let short: [&dyn Key; 5] =
        [&"user:42", &("user", 42), &("user", 42, Some("de"), true), &uuid, &full.as_str()];
    for key in short {
        let CacheKey(bytes) = key.to_cache_key().unwrap();
        assert!(bytes.is_inline(), "{} bytes", bytes.len());
    }
    for (length, encoded) in [(INLINE - 1, INLINE + 1), (500, 503)] {
        let CacheKey(Bytes::Heap(bytes)) = "x".repeat(length).to_cache_key().unwrap() else { panic!() };
        assert_eq!((bytes.len(), bytes.capacity()), (encoded, encoded), "the first room was enough");
    }
}

#[test]
fn equal_bytes_are_one_key_wherever_they_lie() {
    // Its header is at first one for more elements, which does not fit beside them.
    by_hand!(Boastful, |serializer| {
        let mut seq = serializer.serialize_seq(Some(65_536))?;
        (0..42).try_for_each(|_| seq.serialize_element(&1))?;
        seq.end()
    });
    let (heap, inline) = (Boastful.to_cache_key().unwrap(), vec![1; 42].to_cache_key().unwrap());
    assert!(heap.0.is_heap() && inline.0.is_inline());
    assert!(
        heap == inline && heap.cmp(&inline).is_eq() && heap.partial_cmp(&inline) == Some(heap.cmp(&inline))
    );
    assert_eq!(HashSet::from([heap.clone(), inline.clone(), heap]).len(), 1);
    for (smaller, larger) in [(1, 2), (1, 200), (200, 201)] {
        let key = |length| "x".repeat(length).to_cache_key().unwrap();
        assert!(key(smaller) < key(larger) && key(smaller) != key(larger));
    }
}
