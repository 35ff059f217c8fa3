//! Settings from the environment: every `from_env`, and the default cache.

mod cache;
mod default;
#[cfg(feature = "testing")]
pub(crate) mod fuzz;
mod keys;
mod secret;
#[cfg(feature = "upstash")]
mod upstash;

#[doc(hidden)]
pub use self::default::__default;
pub use self::default::set_default;

/// A variable of this process. What is not UTF-8 in it becomes U+FFFD, which no setting allows.
fn variable(name: &str) -> Option<String> {
    // `into_string` moves: no second copy of a key is made. What is not UTF-8 is refused by whoever reads it.
    std::env::var_os(name).map(|value| value.into_string().unwrap_or_else(|_| "\u{FFFD}".into()))
}
