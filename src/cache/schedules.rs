//! The whole cache on shuttle's locks: its scheduler decides at each of them, at each access to memory, and at each call of
//! the store who goes on.

mod memory;
mod record;
mod rotation;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use shuttle::future::yield_now as pause;

use crate::{
    backend::Backend,
    crypto::{Sealed, StoreKey},
    error::BackendError,
};

/// A store that is honest, and takes its time before it does what it is told and after.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<HashMap<String, Bytes>>>);

impl Store {
    async fn meet<T>(&self, call: impl FnOnce(&mut HashMap<String, Bytes>) -> T + Send) -> T {
        pause().await;
        let done = call(&mut self.0.lock().unwrap());
        pause().await;
        done
    }
}

impl Backend for Store {
    async fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, BackendError> {
        Ok(self.meet(|held| held.get(key.as_str()).cloned()).await)
    }

    async fn set(&self, key: &StoreKey, entry: Sealed, _: Option<Duration>) -> Result<(), BackendError> {
        self.meet(|held| drop(held.insert(key.as_str().to_owned(), entry.into_bytes()))).await;
        Ok(())
    }

    async fn delete(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(self.meet(|held| held.remove(key.as_str()).is_some()).await)
    }

    async fn exists(&self, key: &StoreKey) -> Result<bool, BackendError> {
        Ok(self.meet(|held| held.contains_key(key.as_str())).await)
    }
}
