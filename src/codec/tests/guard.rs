//! What is refused while it is written, and that the bytes are rmp-serde's.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    fmt::{self, Display},
    io, iter,
    net::{IpAddr, Ipv4Addr},
    thread,
    time::Duration,
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;

use super::{LIMIT, Loose, Nested, Role, Tree, ada, encode, plain};
use crate::codec::{
    EncodeError, check,
    check::Flaw,
    guard::{Guard, State},
};

/// The same bytes as rmp-serde, under no more of a limit than these take.
#[track_caller]
fn unchanged<T: Serialize + ?Sized>(value: &T) {
    let (expected, mut out) = (plain(value), Vec::new());
    assert_eq!(encode(value, &mut out, expected.len() as u32), Ok(()));
    assert_eq!(out, expected);
    assert_eq!(check(&out), Ok(()));
}

pub(super) fn refused<T: Serialize + ?Sized>(value: &T) -> Option<EncodeError> {
    encode(value, io::sink(), LIMIT).err()
}

/// Of unknown length.
pub(super) struct Stream<I>(pub(super) I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Stream<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone().filter(|_| true))
    }
}

/// As a value of this name is to rmp-serde: an extension type, not a container.
#[derive(Serialize)]
#[serde(rename = "_ExtStruct")]
struct Ext((i8, serde_bytes::ByteBuf));

fn ext(size: usize) -> Ext {
    Ext((-1, serde_bytes::ByteBuf::from(vec![7; size])))
}

#[derive(Clone, Serialize)]
struct Unit;

#[derive(Serialize)]
struct Pair(u8, Option<char>);

#[derive(Serialize)]
struct Flat<T> {
    id: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<u8>,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
#[serde(tag = "type", content = "is")]
enum Adjacent {
    One(u8),
    Two { of: i16 },
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Internal {
    Of(BTreeMap<u8, u8>),
    With { a: u8 },
}

struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Serializes as another type in a text format.
struct Telling;

impl Serialize for Telling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let human = serializer.is_human_readable();
        serializer.serialize_bool(human)
    }
}

#[test]
fn the_bytes_are_those_of_rmp_serde() {
    unchanged(&ada());
    unchanged(&(true, (), Unit, 'é', "text", Pair(1, None), Some(Some(2))));
    unchanged(&(1.5_f32, f64::NAN, i128::MIN, u128::MAX, 0_i128, 0_u128));
    unchanged(&([1_u8; 0], [1_u8; 3], [200_u8; 32], [[Role::Guest, Role::Member(1)]; 1]));
    unchanged(&(serde_bytes::Bytes::new(&[]), serde_bytes::Bytes::new(&[200; 300])));
    unchanged(&(IpAddr::V4(Ipv4Addr::LOCALHOST), Duration::from_millis(1), Telling));
    unchanged(&(Shown("text"), Shown(format_args!("{}-{}", 1, "é")), Shown("x".repeat(70_000))));
    unchanged(&HashMap::from([(Some((1, 'a')), vec![Adjacent::One(1), Adjacent::Two { of: -2 }])]));
    unchanged(&(Internal::Of(BTreeMap::from([(1, 2)])), Internal::With { a: 1 }));
    unchanged(&json!({"a": [1, -1, 2.5, null, true, {"b": "c"}], "d": {}}));
    for size in [0, 1, 2, 3, 4, 8, 15, 16, 17, 255, 256, 65_535, 65_536] {
        unchanged(&ext(size));
        unchanged(&(vec![Unit; size], "x".repeat(size), vec![255_u8; size]));
    }
}

/// Under the limit of exactly their size: so nothing is counted as more than it takes.
#[test]
fn what_is_collected_fits_up_to_its_very_size() {
    let ends = (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) - 1]);
    unchanged(&Stream(ends.clone()));
    unchanged(&Stream(ends.clone().map(|n| n as i64)));
    unchanged(&Stream(ends.map(|n| !(n as i64))));
    unchanged(&Stream((i8::MIN..=i8::MAX).zip(i16::MIN..)));
    unchanged(&Stream([u128::MAX, 0].iter()));
    unchanged(&Stream([i128::MAX, 0].iter()));
    unchanged(&Stream(ada().roles.iter()));
    unchanged(&Stream([((), Unit, None::<u8>, 'é', 1.5_f32, 1.5_f64, [0_u8; 20], Telling)].iter()));
    for size in [0, 1, 2, 4, 8, 16, 31, 32, 255, 256, 65_535, 65_536] {
        unchanged(&Stream([ext(size)].iter()));
        unchanged(&Stream(["x".repeat(size)].iter()));
        unchanged(&Stream([Shown("x".repeat(size))].iter()));
        unchanged(&Stream([serde_bytes::Bytes::new(&vec![200; size])].iter()));
        unchanged(&Stream(iter::repeat_n(Unit, size)));
        unchanged(&Stream([Stream(iter::repeat_n("a", size)), Stream(iter::repeat_n("b", 1))].iter()));
    }
    let rest = BTreeMap::from([("a", vec![1]), ("b", vec![])]);
    unchanged(&vec![Flat { id: 1, skipped: None, rest }]);
    unchanged(&Flat { id: 1, skipped: Some(1), rest: Flat { id: 2, skipped: None, rest: ada() } });
    unchanged(&Flat { id: 1, skipped: None, rest: Internal::With { a: 1 } });
}

#[test]
fn values_are_as_readable_as_what_is_behind_the_guard() {
    let (address, state) = (IpAddr::from(Ipv4Addr::LOCALHOST), State::new(LIMIT));
    let json = address.serialize(Guard::new(serde_json::value::Serializer, &state));
    assert_eq!(json.unwrap(), json!("127.0.0.1"));
    unchanged(&address);
}

// ---- depth

#[derive(Serialize)]
struct List {
    next: Option<Box<List>>,
}

#[derive(Serialize)]
struct Wrapped(Option<Box<Wrapped>>);

#[derive(Serialize)]
enum Every<'a> {
    Newtype(&'a Every<'a>),
    Tuple((), &'a Every<'a>),
    Struct { of: &'a Every<'a> },
    Ext(Ext),
    Unit(Unit),
    Leaf,
}

fn list(depth: usize) -> List {
    (1..depth).fold(List { next: None }, |inner, _| List { next: Some(Box::new(inner)) })
}

pub(super) fn tree(depth: usize) -> Tree {
    (0..depth).fold(Tree::Leaf, |inner, _| Tree::Node(Box::new(inner)))
}

/// An odd number of wrappers.
fn wrapped(wrappers: usize) -> Wrapped {
    (0..wrappers / 2).fold(Wrapped(None), |inner, _| Wrapped(Some(Box::new(inner))))
}

#[test]
fn the_65th_container_is_refused() {
    let nested = |depth| (1..depth).fold(Nested(vec![]), |inner, _| Nested(vec![inner]));
    let loose = |depth| (0..depth).fold(Loose::Leaf(1), |inner, _| Loose::Map([("a".into(), inner)].into()));
    unchanged(&(list(63), nested(63), tree(63), loose(63)));
    unchanged(&(Stream([tree(62)].iter()), Flat { id: 1, skipped: None, rest: list(63) }));
    assert_eq!(refused(&list(65)), Some(EncodeError::TooDeep));
    assert_eq!(refused(&nested(65)), Some(EncodeError::TooDeep));
    assert_eq!(refused(&tree(65)), Some(EncodeError::TooDeep));
    assert_eq!(refused(&loose(65)), Some(EncodeError::TooDeep));
    assert_eq!(refused(&Stream([tree(64)].iter())), Some(EncodeError::TooDeep));
    assert_eq!(refused(&Flat { id: 1, skipped: None, rest: list(65) }), Some(EncodeError::TooDeep));
}

/// At every depth the guard and the check count the same.
#[test]
fn what_the_check_finds_too_deep_is_refused_and_nothing_else() {
    fn all(value: &Every<'_>, depth: usize, found: &mut [usize; 2]) {
        let deep = check(&plain(value)) == Err(Flaw::TooDeep);
        assert_eq!(refused(value), deep.then_some(EncodeError::TooDeep), "{depth}");
        found[usize::from(deep)] += 1;
        if depth < 70 {
            all(&Every::Newtype(value), depth + 1, found);
        }
        if depth == 0 || (60..66).contains(&depth) {
            all(&Every::Tuple((), value), depth + 2, found);
            all(&Every::Struct { of: value }, depth + 2, found);
        }
    }
    for leaf in [Every::Leaf, Every::Unit(Unit), Every::Ext(ext(3)), Every::Ext(ext(300))] {
        let mut found = [0, 0];
        all(&leaf, 0, &mut found);
        assert!(found.iter().all(|count| *count > 60), "{found:?}");
    }
}

#[test]
fn wrappers_that_leave_no_bytes_are_bounded_too() {
    unchanged(&Some(wrapped(255)));
    assert_eq!(refused(&wrapped(257)), Some(EncodeError::TooDeep));
    assert_eq!(refused(&Some(Some(wrapped(255)))), Some(EncodeError::TooDeep));
    unchanged(&[wrapped(255), wrapped(255)]);
}

#[test]
fn values_100_000_deep_are_refused_on_a_small_stack() {
    let refuse_all = || {
        // Leaked: dropping them needs the stack that serializing does not.
        assert_eq!(refused(Box::leak(Box::new(list(100_000)))), Some(EncodeError::TooDeep));
        assert_eq!(refused(Box::leak(Box::new(tree(100_000)))), Some(EncodeError::TooDeep));
        assert_eq!(refused(Box::leak(Box::new(wrapped(100_000)))), Some(EncodeError::TooDeep));
    };
    thread::Builder::new().stack_size(512 << 10).spawn(refuse_all).unwrap().join().unwrap();
}

// ---- what rmp-serde collects

/// More elements than any limit here allows. They end, so that a test fails where there is no limit, and does not hang.
pub(super) const ENDLESS: usize = 4 * LIMIT as usize;

/// How many elements are asked of an endless sequence under this limit.
fn taken<T: Serialize>(element: T, limit: u32) -> u32 {
    let taken = Cell::new(0);
    let elements = iter::repeat_n(&element, ENDLESS).inspect(|_| taken.set(taken.get() + 1));
    assert_eq!(encode(&Stream(elements), io::sink(), limit), Err(EncodeError::Full));
    taken.get()
}

#[test]
fn an_endless_sequence_is_refused_at_the_limit() {
    assert_eq!(taken((), 1000), 1001);
    assert_eq!(taken(None::<u8>, 1000), 1001);
    assert_eq!(taken(Unit, 1000), 1001);
    assert_eq!(taken(Role::Guest, 1000), 1000 / 6 + 1);
    assert_eq!(taken("x".repeat(99), 1000), 11);
    assert_eq!(taken(serde_bytes::ByteBuf::from([7; 100]), 1000), 11);
    assert_eq!(taken(ext(98), 1000), 11);
    assert_eq!(taken(u64::MAX, 1000), 1000 / 9 + 1);
    assert_eq!(taken(i64::MIN, 1000), 1000 / 8 + 1);
    assert_eq!(taken(1.5_f64, 1000), 1000 / 9 + 1);
    assert_eq!(taken([[(); 8]; 1], 1000), 101, "known lengths count inside unknown ones");
    assert_eq!(taken(BTreeMap::from([("abc", [1, 2])]), 1000), 1000 / 8 + 1);
    assert_eq!(taken(list(3), 1000), 1000 / 19 + 1);
    assert_eq!(taken(Role::Member(7), 1000), 1000 / 9 + 1);
    assert_eq!(taken(Role::Owner(1, "x".into()), 1000), 1000 / 11 + 1);
    assert_eq!(taken(Role::Admin { since: -5, rights: vec!["all".into()] }, 1000), 1000 / 27 + 1);
}

#[test]
fn an_endless_sequence_inside_another_is_refused_at_the_same_limit() {
    let endless = Stream(iter::repeat_n(1, ENDLESS));
    assert_eq!(refused(&Stream([endless].iter())), Some(EncodeError::Full));
    // Each takes half of the limit.
    let half = || Stream(iter::repeat_n((), 499));
    assert_eq!(encode(&[half(), half()], io::sink(), 1000), Ok(()));
    assert_eq!(encode(&[half(), half(), half()], io::sink(), 1000), Err(EncodeError::Full));
}

#[test]
fn a_large_flattened_map_is_refused_at_the_limit() {
    struct Endless<'a>(&'a Cell<usize>);
    impl Serialize for Endless<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            for _ in 0..ENDLESS {
                self.0.set(self.0.get() + 1);
                map.serialize_entry("key", &[0; 5])?;
            }
            map.end()
        }
    }
    let taken = Cell::new(0);
    let value = Flat { id: 1, skipped: None, rest: Endless(&taken) };
    assert_eq!(encode(&value, io::sink(), 1000), Err(EncodeError::Full));
    assert_eq!(taken.get(), 100, "4 bytes of `id`, then 10 for each entry");
    let rest: BTreeMap<_, _> = (0..1000).map(|n| (n.to_string(), ())).collect();
    assert_eq!(encode(&Flat { id: 1, skipped: None, rest }, io::sink(), 1000), Err(EncodeError::Full));
}

#[test]
fn what_goes_straight_to_the_writer_is_the_writers_to_limit() {
    let list: Vec<u8> = vec![1; 100];
    let map: BTreeMap<u8, u8> = (0..100).map(|n| (n, n)).collect();
    assert_eq!(encode(&(&list, &map), io::sink(), 1), Ok(()));
    assert_eq!(encode(&Stream([&list].into_iter()), io::sink(), 1), Err(EncodeError::Full));
    assert_eq!(encode(&Stream([&map].into_iter()), io::sink(), 1), Err(EncodeError::Full));
}

#[test]
fn a_display_may_fill_the_limit() {
    for (length, fits) in [(99, true), (100, true), (101, false)] {
        let shown = encode(&Shown("x".repeat(length)), io::sink(), 100);
        assert_eq!(shown, if fits { Ok(()) } else { Err(EncodeError::Full) }, "{length}");
    }
}

#[test]
fn an_endless_display_is_refused_at_the_limit() {
    struct Endless;
    impl Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (0..ENDLESS).try_for_each(|_| f.write_str("secret"))
        }
    }
    struct Failing;
    impl Display for Failing {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    assert_eq!(encode(&Shown(Endless), io::sink(), 1000), Err(EncodeError::Full));
    assert_eq!(encode(&Shown(Failing), io::sink(), 1000), Err(EncodeError::Refused));
}
