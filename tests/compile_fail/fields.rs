//! What a type keeps to itself cannot be named from outside.

use blindcache::{MasterKey, Sealed, StoreKey};
use bytes::Bytes;

pub fn entry(entry: Sealed) -> Bytes {
    entry.0 //~ E0616
}

pub fn name(key: StoreKey) -> Box<str> {
    key.0 //~ E0616
}

pub fn build() -> StoreKey {
    StoreKey::probe() //~ E0624
}

pub fn master(key: MasterKey) {
    drop(key.0); //~ E0616
}

fn main() {}
