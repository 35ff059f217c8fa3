use std::{cell::RefCell, collections::HashMap};

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::{Value, json};

use super::{super::Key, bytes};

/// xorshift64*: the same values in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        (1..items.len()).rev().for_each(|last| items.swap(last, self.below(last as u64 + 1) as usize));
    }

    fn value(&mut self, depth: u64) -> Value {
        match self.below(if depth == 0 { 4 } else { 7 }) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 0),
            2 => {
                let number = (self.below(1 << 31) << 33 | self.below(1 << 31) << 2) >> self.below(64);
                if self.below(2) == 0 { json!(number) } else { json!(-((number >> 1) as i64)) }
            }
            3 => {
                let length = self.below(40);
                Value::String((0..length).map(|_| ['a', 'b', 'é'][self.below(3) as usize]).collect())
            }
            4 | 5 => {
                let length = self.below(18);
                Value::Array((0..length).map(|_| self.value(depth - 1)).collect())
            }
            _ => {
                let length = self.below(18);
                let name = |random: &mut Self| format!("{}", random.below(90));
                Value::Object((0..length).map(|_| (name(self), self.value(depth - 1))).collect())
            }
        }
    }
}

/// A value whose maps are given in a random order and whose lengths are not declared.
struct Scrambled<'a>(&'a Value, &'a RefCell<Random>);

impl Serialize for Scrambled<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => {
                let mut seq = serializer.serialize_seq(None)?;
                items.iter().try_for_each(|item| seq.serialize_element(&Scrambled(item, self.1)))?;
                seq.end()
            }
            Value::Object(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                self.1.borrow_mut().shuffle(&mut entries);
                let mut map = serializer.serialize_map(None)?;
                entries
                    .into_iter()
                    .try_for_each(|(name, value)| map.serialize_entry(name, &Scrambled(value, self.1)))?;
                map.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

#[test]
fn different_values_never_share_bytes_and_equal_ones_always_do() {
    let mut random = Random(3);
    let order = RefCell::new(Random(4));
    let mut seen: HashMap<Vec<u8>, Value> = HashMap::new();
    for _ in 0..3_000 {
        let value = random.value(3);
        let Ok(key) = value.to_cache_key() else { continue };
        let key = key.as_bytes().to_vec();
        assert_eq!(rmp_serde::from_slice::<Value>(&key).unwrap(), value, "the bytes are this value's");
        assert_eq!(bytes(&Scrambled(&value, &order)), key);
        if let Some(other) = seen.insert(key, value.clone()) {
            assert_eq!(other, value);
        }
    }
    assert!(seen.len() > 1_000);
}
