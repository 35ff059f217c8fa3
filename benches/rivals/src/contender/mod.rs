//! Who takes part, behind one small trait. What fails ends the program: there is nothing to measure then.

mod bare;
mod blind;
mod in_process;
mod kit;

use std::{future::Future, time::Duration};

pub use self::{
    bare::{Bare, BareMemory},
    blind::{Blind, Computing, Hits, keyring},
    in_process::{Moka, Quick, Sharded},
    kit::Kit,
};
use crate::values::Value;

/// How long every entry lives: none expires meanwhile.
pub const TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// How long any of them waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A cache of values `T` under keys `K`.
pub trait Contender<K, T: Value>: Send + Sync + 'static {
    /// The value, which is there.
    fn get(&self, key: &K) -> impl Future<Output = T> + Send;
    fn set(&self, key: &K, value: &T) -> impl Future<Output = ()> + Send;
}

/// One that also takes many keys at once.
pub trait Batches<K, T: Value>: Contender<K, T> {
    /// The values, which are all there.
    fn get_many(&self, keys: &[K]) -> impl Future<Output = Vec<T>> + Send;
    fn set_many(&self, keys: &[K], value: &T) -> impl Future<Output = ()> + Send;
}
