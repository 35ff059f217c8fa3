//! What should compile does: the errors of the other files are not this harness's own.

use blindcache::{Backend, BackendError, MemoryBackend, Sealed, StoreKey};

pub async fn set(memory: &MemoryBackend, key: &StoreKey, bytes: Vec<u8>) -> Result<(), BackendError> {
    let entry = Sealed::parse(bytes).unwrap();
    memory.set(key, entry, None).await
}

pub fn show<T: std::fmt::Debug>(keys: T) -> String {
    format!("{keys:?}")
}

fn main() {
    show(blindcache::MasterKey::generate());
}
