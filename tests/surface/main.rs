//! What users of this library can name, and what `Debug` shows of it. Both are kept in files beside this one, so that a change of
//! either is made on purpose: after one, `BLINDCACHE_BLESS=1 cargo test --all-features --test surface` writes them anew, and the
//! difference is to be read.

#![allow(clippy::unwrap_used, clippy::panic)]

mod api;
mod shown;
mod source;

use std::{env, fs, path::Path};

/// Holds `now` to what is kept in this file, or keeps it there if that is asked for.
fn is_kept(name: &str, now: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/surface").join(name);
    if env::var_os("BLINDCACHE_BLESS").is_some() {
        fs::write(&file, now).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    let (now, kept): (Vec<&str>, Vec<&str>) = (now.lines().collect(), kept.lines().collect());
    let new: Vec<&&str> = now.iter().filter(|line| !kept.contains(line)).collect();
    let gone: Vec<&&str> = kept.iter().filter(|line| !now.contains(line)).collect();
    assert!(
        now == kept,
        "not as in {name}; if that is meant, BLINDCACHE_BLESS=1 keeps it. New: {new:#?}\nGone: {gone:#?}"
    );
}
