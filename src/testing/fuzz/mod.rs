//! What the fuzz targets in `fuzz/` do with their bytes, and what `cargo test` does with the bytes that are kept: a
//! property that does not hold is a panic, for that is what a fuzzer looks for.

mod any;
mod entries;
mod input;
mod names;
mod values;

pub use self::{
    entries::{aead, context, header, inner, mutate, open, seal_open},
    names::{master_key, store_key},
    values::{decode, logical_key},
};

/// A fuzz target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("aead", aead),
    ("context", context),
    ("decode", decode),
    ("header", header),
    ("inner", inner),
    ("logical_key", logical_key),
    ("master_key", master_key),
    ("mutate", mutate),
    ("open", open),
    ("seal_open", seal_open),
    ("store_key", store_key),
];
