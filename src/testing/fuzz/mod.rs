//! What the fuzz targets in `fuzz/` do with their bytes, and what `cargo test` does with the bytes that are kept: a
//! property that does not hold is a panic, for that is what a fuzzer looks for.

mod any;
mod control;
mod entries;
mod input;
mod model;
mod names;
mod stores;
mod values;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use self::input::Input;
use super::hostile::{HostileBackend, Lie};
use crate::backend::MemoryBackend;

pub use self::model::History;
#[cfg(feature = "cloudflare-kv")]
pub use self::stores::cloudflare_kv;
#[cfg(feature = "dynamodb")]
pub use self::stores::dynamodb;
#[cfg(feature = "file")]
pub use self::stores::file_header;
#[cfg(feature = "memcached")]
pub use self::stores::memcached;
#[cfg(feature = "redis")]
pub use self::stores::redis;
#[cfg(feature = "upstash")]
pub use self::stores::upstash;
#[cfg(any(feature = "http", feature = "cloudflare-kv", feature = "upstash"))]
pub use self::stores::web;
pub use self::{
    control::{control, control_memory},
    entries::{aead, context, header, inner, mutate, open, seal_open},
    names::{master_key, store_key},
    stores::config,
    values::{decode, logical_key},
};

/// A fuzz target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; those of a store are there with its feature.
pub const TARGETS: &[Target] = &[
    ("aead", aead),
    #[cfg(feature = "cloudflare-kv")]
    ("cloudflare_kv", cloudflare_kv),
    ("config", config),
    ("context", context),
    ("decode", decode),
    #[cfg(feature = "dynamodb")]
    ("dynamodb", dynamodb),
    #[cfg(feature = "file")]
    ("file_header", file_header),
    ("header", header),
    ("inner", inner),
    ("keyring_model", keyring_model),
    ("logical_key", logical_key),
    ("master_key", master_key),
    #[cfg(feature = "memcached")]
    ("memcached", memcached),
    ("mutate", mutate),
    ("open", open),
    #[cfg(feature = "redis")]
    ("redis", redis),
    ("seal_open", seal_open),
    ("store_key", store_key),
    #[cfg(feature = "upstash")]
    ("upstash", upstash),
    #[cfg(any(feature = "http", feature = "cloudflare-kv", feature = "upstash"))]
    ("web", web),
];

/// Operations from the fuzzer on the model of the boundary, over a store that lies.
#[allow(clippy::panic)] // a broken property
pub fn keyring_model(data: &[u8]) {
    let mut input = Input(data);
    let lies = (0..input.byte()).map(|_| Lie::of(input.array())).collect::<Vec<_>>();
    let store = HostileBackend::script(MemoryBackend::new(), lies);
    let steps = input.byte();
    let Ok(mut history) = History::new(store, ["acme", "globex"], |end| input.number() % end) else { return };
    // Nothing here waits, so no runtime is needed.
    let played = pin!(history.play(steps.into())).poll(&mut Context::from_waker(Waker::noop()));
    match played {
        Poll::Ready(Ok(())) => {}
        Poll::Ready(Err(wrong)) => panic!("{wrong}"),
        Poll::Pending => panic!("it waits"),
    }
}
