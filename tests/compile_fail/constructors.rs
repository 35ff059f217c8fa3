//! `parse` is the only way in: neither type can be put together from its parts.

use blindcache::{Sealed, StoreKey};
use bytes::Bytes;

pub fn sealed(value: Bytes) -> Sealed {
    Sealed(value) //~ E0423
}

pub fn store_key(name: Box<str>) -> StoreKey {
    StoreKey(name) //~ E0423
}

fn main() {}
