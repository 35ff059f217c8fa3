//! The default cache of `#[cached]`.

use std::sync::{Once, OnceLock};

use crate::{
    cache::Cache,
    error::{Error, SettingError},
    metrics,
};

static DEFAULT: Default = Default { cache: OnceLock::new(), tried: Once::new() };

struct Default {
    cache: OnceLock<Cache>,
    /// Whether the environment was looked at.
    tried: Once,
}

/// Makes this the cache of every `#[cached]` function that names none, for as long as the process lives.
///
/// To be called before the first such function runs: that one builds the cache of the environment,
/// [`Cache::from_env`], unless there is one by then. If the environment has none, the function says so once, by an
/// event of the feature `tracing` or, where nobody listens to events, on standard error, and runs uncached; a default that is set later is used from then on.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # #[cfg(feature = "l1")] {
/// blindcache::set_default(blindcache::Cache::in_memory().build()?)?;
/// # }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`SettingError::Default`] if there is a default already, by an earlier call or by a function that ran: it stays.
pub fn set_default(cache: Cache) -> Result<(), Error> {
    DEFAULT.set(cache)
}

/// The cache of `#[cached]` functions that name none.
#[doc(hidden)]
pub fn __default() -> Option<&'static Cache> {
    DEFAULT.get(Cache::from_env, |error| metrics::no_default(&error))
}

impl Default {
    fn set(&self, cache: Cache) -> Result<(), Error> {
        self.cache.set(cache).map_err(|_| SettingError::Default.into())
    }

    /// The cache, made the first time that there is none; only then `complain` hears why there is none.
    fn get(
        &self,
        make: impl FnOnce() -> Result<Cache, Error>,
        complain: impl FnOnce(Error),
    ) -> Option<&Cache> {
        if let Some(cache) = self.cache.get() {
            return Some(cache);
        }
        let mut failed = None;
        self.tried.call_once(|| match make() {
            Ok(cache) => _ = self.cache.set(cache),
            Err(error) => failed = Some(error),
        });
        // Beyond the once: it would stay poisoned by a complaint that panics, such as one of a subscriber's.
        failed.map(complain);
        self.cache.get()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{
        backend::MemoryBackend,
        crypto::{Keyring, MasterKey},
        encrypted::EncryptedBackend,
    };

    fn cache() -> Cache {
        let keys = Keyring::new(MasterKey::generate().unwrap()).unwrap();
        let store = EncryptedBackend::new(MemoryBackend::new(), keys.tenant("acme").unwrap());
        Cache::builder(store).build().unwrap()
    }

    fn none() -> Default {
        Default { cache: OnceLock::new(), tried: Once::new() }
    }

    #[test]
    fn what_was_set_first_stays() {
        let default = none();
        default.set(cache()).unwrap();
        assert!(matches!(default.set(cache()), Err(Error::Setting(SettingError::Default))));
        assert!(default.get(|| panic!("made"), |error| panic!("{error}")).is_some());
    }

    #[test]
    fn the_first_use_makes_it_and_it_stays() {
        let default = none();
        let first = default.get(|| Ok(cache()), |error| panic!("{error}")).unwrap();
        let second = default.get(|| panic!("made again"), |error| panic!("{error}")).unwrap();
        assert!(std::ptr::eq(first, second));
        assert!(matches!(default.set(cache()), Err(Error::Setting(SettingError::Default))));
    }

    #[test]
    fn what_fails_is_said_once_and_a_later_default_counts() {
        let default = none();
        let said = Cell::new(0);
        for _ in 0..3 {
            let failing = default.get(|| Err(Error::Random), |_| said.set(said.get() + 1));
            assert!(failing.is_none());
        }
        assert_eq!(said.get(), 1);
        let panicking = none();
        let complain = || panicking.get(|| Err(Error::Random), |_| panic!("nobody listens")).is_none();
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(complain)).is_err());
        assert!(complain());
        default.set(cache()).unwrap();
        assert!(default.get(|| panic!("made"), |error| panic!("{error}")).is_some());
    }
}
