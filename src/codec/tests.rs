//! What returns, and how deep. `guard`: what is refused while it is written. `payloads`: what is not one value. `writers`: what
//! does not fit.

mod careless;
mod guard;
mod payloads;
mod writers;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
};

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Value, json};

use super::{check::Flaw, *};
use crate::error::{Unreadable, ValueError};

/// More than the values here take, and what rmp-serde collects of them.
const LIMIT: u32 = 1 << 20;

fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out, LIMIT).unwrap();
    assert_eq!(check(&out), Ok(()));
    out
}

/// What rmp-serde writes by itself.
fn plain<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap()
}

#[track_caller]
fn round_trips<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    assert_eq!(decode::<T>(&encoded(&value)).unwrap(), value);
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_vector_ends_as_it_says() {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/v1.json")).unwrap();
    let rows = vectors["payloads"].as_array().unwrap();
    assert!(rows.len() > 10);
    for row in rows {
        let payload = unhex(row["payload"].as_str().unwrap());
        let ok = row["expect"] == "ok";
        assert_eq!(check(&payload).is_ok(), ok, "{}", row["name"]);
        assert_eq!(decode::<Value>(&payload).is_ok(), ok, "{}", row["name"]);
        assert_eq!(decode::<IgnoredAny>(&payload).is_ok(), ok, "{}", row["name"]);
    }
}

// ---- values

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    nickname: Option<String>,
    roles: Vec<Role>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Role {
    Guest,
    Member(u32),
    Owner(u8, String),
    Admin { since: i64, rights: Vec<String> },
}

fn ada() -> User {
    let admin = Role::Admin { since: -5, rights: vec!["all".into()] };
    let roles = vec![Role::Guest, Role::Member(7), Role::Owner(1, "x".into()), admin];
    User { id: 42, name: "Ada".into(), nickname: None, roles }
}

#[test]
fn structs_are_maps_by_field_name_and_every_enum_form_returns() {
    let payload = encoded(&ada());
    assert!(payload.starts_with(b"\x84\xa2id\x2a\xa4name\xa3Ada"));
    round_trips(ada());
    round_trips(Role::Guest);
    round_trips(BTreeMap::from([("a".to_owned(), Some(Role::Member(1))), ("b".to_owned(), None)]));
}

#[test]
fn scalars_return_as_they_were() {
    for number in [0, 1, u128::from(u64::MAX) + 1, u128::MAX] {
        round_trips(number);
    }
    for number in [0, -1, i128::MIN, i128::MAX] {
        round_trips(number);
    }
    round_trips((u64::MAX, i64::MIN, -1_i8, 255_u8, true, ()));
    round_trips(('a', 'é', '\u{10ffff}'));
    round_trips((f32::MAX, f64::MIN_POSITIVE, f64::NEG_INFINITY));
    let nan = f64::from_bits(0x7ff8_0000_dead_beef);
    assert_eq!(decode::<f64>(&encoded(&nan)).unwrap().to_bits(), nan.to_bits());
    assert!(decode::<f32>(&encoded(&f32::NAN)).unwrap().is_nan());
    round_trips(String::new());
    round_trips("naïve ключ 鍵".repeat(10_000));
}

#[test]
fn containers_of_every_size_return() {
    for size in [0, 1, 15, 16, 255, 256, 65_535, 65_536] {
        round_trips(vec![7_u32; size]);
        round_trips(vec![(); size]);
        round_trips((0..size as u32).map(|n| (n, n)).collect::<BTreeMap<_, _>>());
        round_trips("x".repeat(size));
        round_trips(serde_bytes::ByteBuf::from(vec![200; size]));
    }
}

#[test]
fn maps_take_keys_that_are_not_strings() {
    round_trips(HashMap::from([((1_u8, 'a'), 1), ((2, 'b'), 2)]));
    round_trips(HashMap::from([(None, 1), (Some(-7_i64), 2)]));
    round_trips(HashMap::from([(vec![1_u8], ())]));
}

#[test]
fn bytes_are_bin_and_a_vec_of_u8_is_an_array() {
    let bytes = vec![1_u8, 200, 255];
    assert_eq!(encoded(&serde_bytes::Bytes::new(&bytes)), [0xc4, 3, 1, 200, 255]);
    assert_eq!(encoded(&bytes), [0x93, 1, 0xcc, 200, 0xcc, 255]);
    // Each is read as the other.
    assert_eq!(decode::<Vec<u8>>(&[0xc4, 3, 1, 200, 255]).unwrap(), bytes);
    assert_eq!(decode::<serde_bytes::ByteBuf>(&encoded(&bytes)).unwrap(), bytes);
}

#[test]
fn flatten_and_untagged_and_tagged_types_return() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Page {
        number: u32,
        #[serde(flatten)]
        user: User,
        #[serde(flatten)]
        rest: BTreeMap<String, Vec<i64>>,
    }
    round_trips(Page { number: 1, user: ada(), rest: BTreeMap::from([("more".into(), vec![1, -1])]) });

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
        User(User),
        Bytes(serde_bytes::ByteBuf),
    }
    round_trips(vec![
        Either::Text("a".into()),
        Either::Number(-1),
        Either::User(ada()),
        Either::Bytes(serde_bytes::ByteBuf::from(vec![200, 255])),
    ]);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        A { value: u8 },
        B,
    }
    round_trips(vec![Tagged::A { value: 1 }, Tagged::B]);
}

#[test]
fn nested_options_and_units_fold_into_nil() {
    assert_eq!(encoded(&Some(None::<u8>)), [0xc0]);
    assert_eq!(decode::<Option<Option<u8>>>(&[0xc0]).unwrap(), None, "Some(None) comes back as None");
    assert_eq!(decode::<Option<()>>(&encoded(&Some(()))).unwrap(), None, "and so does Some(())");
    round_trips(Some(Some(1)));
    round_trips(None::<Role>);
    round_trips(Some(Role::Guest));
    round_trips(Some(Role::Member(1)));
}

/// As the docs of `EncryptedBackend` say: serde keeps what it puts together later in a form that has no such types.
#[test]
fn wide_integers_and_unit_structs_do_not_return_where_serde_reads_first() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Role {
        None(Unit),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat<T> {
        #[serde(flatten)]
        rest: BTreeMap<String, T>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Wide(u128),
        Text(String),
    }
    fn flat<T>(value: T) -> Flat<T> {
        Flat { rest: BTreeMap::from([("a".into(), value)]) }
    }
    round_trips(flat(u64::MAX));
    round_trips(Role::None(Unit));
    assert_eq!(decode::<Flat<i128>>(&encoded(&flat(1_i128))), Err(Unreadable::Undecodable));
    assert_eq!(decode::<Flat<Role>>(&encoded(&flat(Role::None(Unit)))), Err(Unreadable::Undecodable));
    assert_eq!(decode::<Either>(&encoded(&Either::Wide(u128::MAX))), Err(Unreadable::Undecodable));
    assert!(matches!(decode(&encoded(&Either::Wide(1))), Ok(Either::Text(_))));
}

#[test]
fn fields_may_come_and_go_as_serde_allows() {
    #[derive(Serialize)]
    struct Wide {
        id: u8,
        more: Vec<Option<&'static str>>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Narrow {
        id: u8,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Default {
        id: u8,
        #[serde(default)]
        new: u32,
    }
    assert_eq!(
        decode::<Narrow>(&encoded(&Wide { id: 1, more: vec![Some("a"), None] })).unwrap(),
        Narrow { id: 1 }
    );
    assert_eq!(decode::<Default>(&encoded(&Narrow { id: 1 })).unwrap(), Default { id: 1, new: 0 });
    assert_eq!(decode::<User>(&encoded(&Narrow { id: 1 })).unwrap_err(), Unreadable::Undecodable);
}

#[test]
fn another_type_is_undecodable() {
    assert_eq!(decode::<u32>(&encoded("text")), Err(Unreadable::Undecodable));
    assert_eq!(decode::<(u8, u8)>(&encoded(&(1, 2, 3))), Err(Unreadable::Undecodable));
    assert_eq!(decode::<(u8, u8)>(&encoded(&(1,))), Err(Unreadable::Undecodable));
    assert_eq!(decode::<u8>(&encoded(&256)), Err(Unreadable::Undecodable));
    assert_eq!(decode::<Role>(&encoded("Nobody")), Err(Unreadable::Undecodable));
    assert_eq!(
        decode::<Role>(&encoded(&BTreeMap::from([("Guest", 1), ("Member", 2)]))),
        Err(Unreadable::Undecodable)
    );
}

// ---- depth

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nested(Vec<Nested>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Loose {
    Leaf(u8),
    List(Vec<Loose>),
    Map(BTreeMap<String, Loose>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Node(Box<Tree>),
}

#[test]
fn values_nest_64_deep_and_no_deeper() {
    let nested = |depth| (1..depth).fold(Nested(vec![]), |inner, _| Nested(vec![inner]));
    let tree = |depth| (0..depth).fold(Tree::Leaf, |inner, _| Tree::Node(Box::new(inner)));
    let loose = |depth| (0..depth).fold(Loose::Leaf(1), |inner, _| Loose::List(vec![inner]));
    for depth in [63, 64] {
        round_trips(nested(depth));
        round_trips(tree(depth));
        round_trips(loose(depth));
    }
    round_trips((0..64).fold(json!(1), |inner, _| json!({"a": inner})));
    for deeper in [65, 66, 500] {
        assert_eq!(encode(&nested(deeper), Vec::new(), LIMIT), Err(EncodeError::TooDeep));
        assert_eq!(encode(&tree(deeper), Vec::new(), LIMIT), Err(EncodeError::TooDeep));
        assert_eq!(check(&plain(&nested(deeper))), Err(Flaw::TooDeep));
        assert_eq!(check(&plain(&tree(deeper))), Err(Flaw::TooDeep));
    }
}

#[test]
fn decoding_64_deep_fits_a_small_stack() {
    let payloads = [
        [vec![0x91; 63], vec![0x90]].concat(),
        [b"\x81\xa1a".repeat(63), vec![0x80]].concat(),
        [b"\x81\xa4Node".repeat(64), b"\xa4Leaf".to_vec()].concat(),
    ];
    let decode_all = move || {
        assert!(decode::<Value>(&payloads[0]).is_ok() && decode::<Nested>(&payloads[0]).is_ok());
        assert!(decode::<Loose>(&payloads[0]).is_ok() && decode::<Loose>(&payloads[1]).is_ok());
        assert!(decode::<Value>(&payloads[1]).is_ok() && decode::<Tree>(&payloads[2]).is_ok());
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(decode_all).unwrap().join().unwrap();
}

#[test]
fn containers_beside_each_other_are_not_deep() {
    round_trips(vec![vec![vec![(); 3]; 100]; 100]);
    let closed_at_once = [vec![0xdc, 0x01, 0x00], vec![0x90; 256]].concat();
    assert_eq!(check(&closed_at_once), Ok(()));
}

#[test]
fn a_flaw_of_a_value_says_whether_it_was_too_deep() {
    assert_eq!(ValueError::from(Flaw::TooDeep), ValueError::TooDeep);
    assert_eq!(ValueError::from(Flaw::NotOneValue), ValueError::Serialize);
    assert_eq!(Unreadable::from(Flaw::TooDeep), Unreadable::Undecodable);
}
