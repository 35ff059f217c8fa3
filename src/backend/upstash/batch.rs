//! A pipeline in JSON, and its answer with strings in base64:
//! <https://upstash.com/docs/redis/features/restapi#pipelining>.

use std::fmt;

use bytes::Bytes;
use data_encoding::BASE64;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::crypto::StoreKey;

/// Most bytes that an item has around its string, `{"result":""},`, with room for white space and for an error's text.
const FRAME: usize = 512;

/// Most bytes that are read of an answer: each item without its string, and the strings of entries of `entries` bytes.
pub(super) fn longest(count: usize, entries: usize) -> usize {
    count * FRAME + BASE64.encode_len(entries)
}

/// `[["GET","b1.…"],["GET","b1.…"]]`: the same command for each name.
pub(super) fn write(command: &str, keys: &[StoreKey]) -> Vec<u8> {
    let mut json = Vec::with_capacity(keys.len() * 128);
    for key in keys {
        json.push(if json.is_empty() { b'[' } else { b',' });
        // Neither has a character that JSON escapes.
        for part in ["[\"", command, "\",\"", key.as_str(), "\"]"] {
            json.extend_from_slice(part.as_bytes());
        }
    }
    json.push(b']');
    json
}

/// The answer to one command of a pipeline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// `{"result":"YWJj"}`
    Entry(Bytes),
    /// `{"result":null}`
    Nil,
    /// `{"result":1}`
    Integer(i64),
    /// `{"error":"ERR …"}`
    Error(String),
}

/// Not the answer to such a pipeline.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbage;

/// The answer to a pipeline of `count` commands: as many items, and nothing behind them.
pub(super) fn parse(json: &[u8], count: usize) -> Result<Vec<Item>, Garbage> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let items = json.deserialize_seq(Items(count)).map_err(|_| Garbage)?;
    json.end().map_err(|_| Garbage)?;
    Ok(items)
}

/// The text of an answer that is one error.
pub(super) fn error(json: &[u8]) -> Option<String> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let item = One.deserialize(&mut json).ok()?;
    json.end().ok()?;
    match item {
        Item::Error(text) => Some(text),
        _ => None,
    }
}

/// Reads so many items and no more, so that a server which sends others cannot fill the memory.
struct Items(usize);

impl<'de> Visitor<'de> for Items {
    type Value = Vec<Item>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answers", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut answers: A) -> Result<Vec<Item>, A::Error> {
        let mut items = Vec::with_capacity(self.0);
        while items.len() < self.0 {
            items.push(answers.next_element_seed(One)?.ok_or_else(|| A::Error::custom("too few"))?);
        }
        match answers.next_element::<IgnoredAny>()? {
            None => Ok(items),
            Some(_) => Err(A::Error::custom("too many")),
        }
    }
}

/// Reads one item: `result` or `error`; what else is in it is left alone.
struct One;

impl<'de> DeserializeSeed<'de> for One {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for One {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `result` or `error`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Item, A::Error> {
        let mut item = None;
        while let Some(name) = fields.next_key::<String>()? {
            let found = match name.as_str() {
                "result" => fields.next_value_seed(Outcome)?,
                "error" => Item::Error(fields.next_value()?),
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if item.replace(found).is_some() {
                return Err(A::Error::custom("two answers in one"));
            }
        }
        item.ok_or_else(|| A::Error::custom("no answer"))
    }
}

/// Reads what stands after `"result":`.
struct Outcome;

impl<'de> DeserializeSeed<'de> for Outcome {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Outcome {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, an integer, or a string in base64")
    }

    fn visit_unit<E: Error>(self) -> Result<Item, E> {
        Ok(Item::Nil)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Item, E> {
        Ok(Item::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Item, E> {
        i64::try_from(number).map(Item::Integer).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Item, E> {
        BASE64.decode(text.as_bytes()).map(|entry| Item::Entry(entry.into())).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn a_pipeline_is_written_as_json() {
        let key = StoreKey::probe();
        let json = write("GET", &[key.clone(), key.clone()]);
        let expected = serde_json::json!([["GET", key.as_str()], ["GET", key.as_str()]]);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&json).unwrap(), expected);
        assert_eq!(write("GET", &[key])[..9], *b"[[\"GET\",\"");
    }

    #[test]
    fn every_kind_of_item_is_read_in_order() {
        let json = br#" [ {"result":"YWJj"}, {"result":null},{"result":1},
            {"error":"ERR no"}, {"result":"","took":[1,{"a":2}]}, {"result":"\/\/\/\/"} ] "#;
        let expected = [
            Item::Entry(Bytes::from_static(b"abc")),
            Item::Nil,
            Item::Integer(1),
            Item::Error("ERR no".into()),
            Item::Entry(Bytes::new()),
            Item::Entry(Bytes::from_static(b"\xFF\xFF\xFF")),
        ];
        assert_eq!(parse(json, 6).unwrap(), expected);
    }

    #[test]
    fn what_is_no_answer_to_the_pipeline_is_garbage() {
        for json in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"error":"ERR no"}"#,
            r#"[{"result":"YWJj"}"#,
            r#"[{"result":"YWJj"}]"#,
            r#"[{"result":1},{"result":1},{"result":1}]"#,
            r#"[{"result":1},{"result":1}] 1"#,
            r#"[{"result":1},{}]"#,
            r#"[{"result":1},1]"#,
            r#"[{"result":1},{"result":1.5}]"#,
            r#"[{"result":1},{"result":true}]"#,
            r#"[{"result":1},{"result":[1]}]"#,
            r#"[{"result":1},{"result":18446744073709551615}]"#,
            r#"[{"result":1},{"result":"YWJ"}]"#,
            r#"[{"result":1},{"result":"YWI"}]"#,
            r#"[{"result":1},{"result":"YWJj\n"}]"#,
            r#"[{"result":1},{"result":"YW-_"}]"#,
            r#"[{"result":1},{"result":1,"result":2}]"#,
            r#"[{"result":1},{"result":1,"error":"ERR no"}]"#,
            r#"[{"result":1},{"error":1}]"#,
        ] {
            assert_eq!(parse(json.as_bytes(), 2), Err(Garbage), "{json}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(parse(deep.as_bytes(), 2), Err(Garbage));
        let deep = format!(r#"[{{"x":{}"#, "[".repeat(100_000));
        assert_eq!(parse(deep.as_bytes(), 2), Err(Garbage));
    }

    proptest! {
        #[test]
        fn entries_come_back_byte_for_byte(entries in vec(vec(any::<u8>(), 0..300), 0..5)) {
            let answer: Vec<_> =
                entries.iter().map(|entry| serde_json::json!({ "result": BASE64.encode(entry) })).collect();
            let items = parse(&serde_json::to_vec(&answer).unwrap(), entries.len()).unwrap();
            let expected: Vec<_> = entries.into_iter().map(|entry| Item::Entry(entry.into())).collect();
            prop_assert_eq!(items, expected);
        }

        /// Near an answer, where most mistakes are.
        #[test]
        fn what_was_changed_on_the_way_is_garbage_or_as_many_items(at in 0..100_usize, byte: u8, cut in 0..100_usize) {
            let mut json = br#"[{"result":"YWJjZGVm"},{"error":"ERR no, not"}]"#.to_vec();
            let length = json.len();
            json[at % length] = byte;
            json.truncate(cut);
            if let Ok(items) = parse(&json, 2) {
                prop_assert_eq!(items.len(), 2);
            }
        }
    }
}
