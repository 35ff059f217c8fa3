//! For the fuzz target `config`.

use super::cache::duration;

/// A secret, as the seeds have it.
const SECRET: &str = "hunter2";

/// Any text as each setting of the environment that has a grammar: its value by the grammar, or an error that shows none of it.
pub(crate) fn setting(text: &str) {
    assert_eq!(duration(text).ok().map(|it| it.as_millis()), millis(text));
    let refusals: &[Option<String>] = &[
        #[cfg(feature = "redis")]
        crate::backend::redis::fuzz::url(text),
        #[cfg(feature = "memcached")]
        crate::backend::memcached::fuzz::url(text),
        #[cfg(feature = "upstash")]
        crate::backend::upstash::fuzz::setting(text),
    ];
    for refusal in refusals.iter().flatten() {
        assert!(!refusal.to_lowercase().contains(SECRET), "echoed");
    }
}

/// A number in digits and a unit, in milliseconds.
fn millis(text: &str) -> Option<u128> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("", 1_000)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| is_number)?;
    number.checked_mul(*unit).map(u128::from)
}
