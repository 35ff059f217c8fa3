//! Only a sealed entry under a blinded name can be passed to a backend.

use blindcache::{Backend, MemoryBackend, Sealed, StoreKey};
use bytes::Bytes;

pub fn vec(memory: &MemoryBackend, key: &StoreKey, value: Vec<u8>) {
    drop(memory.set(key, value, None)); //~ E0308
}

pub fn slice(memory: &MemoryBackend, key: &StoreKey, value: &[u8]) {
    drop(memory.set(key, value, None)); //~ E0308
}

pub fn bytes(memory: &MemoryBackend, key: &StoreKey, value: Bytes) {
    drop(memory.set(key, value, None)); //~ E0308
}

pub fn string(memory: &MemoryBackend, key: &StoreKey, value: String) {
    drop(memory.set(key, value, None)); //~ E0308
}

pub fn batch(memory: &MemoryBackend, key: StoreKey, value: Bytes) {
    drop(memory.set_many(vec![(key, value, None)])); //~ E0308
}

pub fn logical_key(memory: &MemoryBackend, entry: Sealed) {
    drop(memory.set("user:42", entry, None)); //~ E0308
    drop(memory.get("user:42")); //~ E0308
    drop(memory.exists("user:42")); //~ E0308
    drop(memory.delete("user:42")); //~ E0308
    drop(memory.get_many(&["user:42"])); //~ E0308
}

pub fn converted(value: Vec<u8>) -> Sealed {
    value.into() //~ E0277
}

pub fn converted_name(text: &str) -> StoreKey {
    text.into() //~ E0277
}

fn main() {}
