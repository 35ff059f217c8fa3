//! A field that is not public cannot be given a value by its position either.

use blindcache::Sealed;
use bytes::Bytes;

pub fn sealed(value: Bytes) -> Sealed {
    Sealed { 0: value } //~ E0451
}

fn main() {}
