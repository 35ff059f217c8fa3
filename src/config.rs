//! Settings from the environment: every `from_env`, and the default cache.

mod cache;
mod default;
mod keys;

#[doc(hidden)]
pub use self::default::__default;
pub use self::default::set_default;

/// A variable of this process. What is not UTF-8 in it becomes U+FFFD, which no setting allows.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
