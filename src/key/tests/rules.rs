use std::collections::BTreeMap;

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple},
};
use serde_json::json;

use super::{super::Key, bytes, refused};
use crate::error::KeyError;

/// Declares one length and gives another.
struct Liar {
    declared: Option<usize>,
    given: usize,
    as_map: bool,
}

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.as_map {
            let mut map = serializer.serialize_map(self.declared)?;
            (0..self.given).try_for_each(|n| map.serialize_entry(&n, &n))?;
            map.end()
        } else {
            let mut seq = serializer.serialize_seq(self.declared)?;
            (0..self.given).try_for_each(|n| seq.serialize_element(&n))?;
            seq.end()
        }
    }
}

#[test]
fn a_wrong_length_does_not_change_the_key() {
    for given in [0, 1, 3, 15, 16, 17, 300] {
        for declared in [None, Some(0), Some(3), Some(15), Some(16), Some(70_000), Some(usize::MAX)] {
            let list = Liar { declared, given, as_map: false };
            assert_eq!(bytes(&list), bytes(&(0..given).collect::<Vec<_>>()));
            let map = Liar { declared, given, as_map: true };
            assert_eq!(bytes(&map), bytes(&(0..given).map(|n| (n, n)).collect::<BTreeMap<_, _>>()));
            assert_eq!(bytes(&("a", map, [list], "b")), {
                let list = (0..given).collect::<Vec<_>>();
                let map = (0..given).map(|n| (n, n)).collect::<BTreeMap<_, _>>();
                bytes(&("a", map, [list], "b"))
            });
        }
    }
    by_hand!(Tuple, |serializer| {
        let mut tuple = serializer.serialize_tuple(3)?;
        tuple.serialize_element("a")?;
        tuple.end()
    });
    assert_eq!(bytes(&Tuple), bytes(&["a"]));
    by_hand!(Fields, |serializer| {
        let mut fields = serializer.serialize_struct("Fields", 1)?;
        fields.serialize_field("b", &1)?;
        fields.serialize_field("a", &2)?;
        fields.end()
    });
    assert_eq!(bytes(&Fields), bytes(&json!({"a": 2, "b": 1})));
}

#[test]
fn keys_and_values_out_of_turn_are_refused() {
    by_hand!(ValueFirst, |serializer| {
        let mut map = serializer.serialize_map(None)?;
        let _ = map.serialize_value("a");
        map.end()
    });
    by_hand!(TwoKeys, |serializer| {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_key("a")?;
        let _ = map.serialize_key("b");
        map.serialize_value("c")?;
        map.end()
    });
    by_hand!(NoValue, |serializer| {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_key("a")?;
        map.end()
    });
    assert_eq!(refused(&ValueFirst), KeyError::Serialize);
    assert_eq!(refused(&TwoKeys), KeyError::Serialize);
    assert_eq!(refused(&NoValue), KeyError::Serialize);
    assert_eq!(refused(&[NoValue]), KeyError::Serialize);
}

#[test]
fn a_swallowed_refusal_still_refuses_the_key() {
    by_hand!(Broken, |serializer| {
        let mut seq = serializer.serialize_seq(Some(2))?;
        seq.serialize_element("half")?;
        Err(S::Error::custom("secret"))
    });
    by_hand!(Careless, |serializer| {
        let mut seq = serializer.serialize_seq(None)?;
        seq.serialize_element("a")?;
        let _ = seq.serialize_element(&Broken);
        let _ = seq.serialize_element(&0.5);
        seq.end()
    });
    assert_eq!(refused(&Careless), KeyError::Serialize);
    assert_eq!(refused(&(Careless, BTreeMap::from([(1, 2)]))), KeyError::Serialize);

    by_hand!(Renamed, |serializer| 0.5.serialize(serializer).map_err(|_| S::Error::custom("another")));
    assert_eq!(refused(&[Renamed]), KeyError::Float, "the first reason stands");

    by_hand!(CarelessMap, |serializer| {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("b", "a")?;
        map.serialize_key("a")?;
        let _ = map.serialize_value(&BTreeMap::from([(2, Broken), (1, Broken)]));
        let _ = map.serialize_entry("0", &1);
        map.end()
    });
    assert_eq!(refused(&CarelessMap), KeyError::Serialize);
}

#[test]
fn a_refusal_tells_the_type_why() {
    by_hand!(Asking, |serializer| {
        let refused = 0.5.serialize(serializer);
        refused.inspect_err(|why| assert_eq!(why.to_string(), KeyError::Float.to_string()))
    });
    assert_eq!(refused(&Asking), KeyError::Float);
}

#[test]
fn no_error_holds_the_text_of_the_type() {
    by_hand!(Failing, |_serializer| Err(S::Error::custom("card 4111-1111")));
    let error = refused(&Failing);
    assert_eq!(error, KeyError::Serialize);
    assert!(!format!("{error} {error:?}").contains("4111"));
}

#[test]
fn debug_of_a_cache_key_shows_its_length_alone() {
    let key = "card 4111".to_cache_key().unwrap();
    assert_eq!(format!("{key:?}"), "CacheKey(10 bytes)");
}
