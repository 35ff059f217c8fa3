//! The cache of the environment.

use std::time::Duration;

use crate::{
    backend::{AnyBackend, Backend},
    cache::{Builder, Cache},
    crypto::Keyring,
    encrypted::EncryptedBackend,
    error::{Error, SettingError},
};

const TENANT: &str = "BLINDCACHE_TENANT";
const NAMESPACE: &str = "BLINDCACHE_NAMESPACE";
const TTL: &str = "BLINDCACHE_TTL";
/// Where a Redis may be named: the first that is set.
#[cfg(feature = "redis")]
const REDIS: [&str; 3] = ["BLINDCACHE_REDIS_URL", "CACHEKIT_REDIS_URL", "REDIS_URL"];

impl Cache {
    /// The cache of the environment, over Redis. White space around a setting is ignored, and an empty variable counts
    /// as not set.
    ///
    /// | variable | | otherwise |
    /// |---|---|---|
    /// | `BLINDCACHE_MASTER_KEY` and the others of [`Keyring::from_env`] | the keys | an error |
    /// | `BLINDCACHE_REDIS_URL`, else `CACHEKIT_REDIS_URL`, else `REDIS_URL` | the Redis: `RedisBackend::new` | an error |
    /// | `BLINDCACHE_TENANT` | the tenant | `default` |
    /// | `BLINDCACHE_NAMESPACE` | the namespace | empty |
    /// | `BLINDCACHE_TTL` | how long a value is fresh: whole seconds, or with a unit, `500ms`, `90s`, `10m`, `2h` or `7d` | 5 minutes |
    ///
    /// The Redis is [`resilient`](crate::BackendExt::resilient): time-out, breaker, limit and retry, with their defaults.
    /// Nothing is connected yet. What is not in the table is as in [`Builder`]; to set it in code, see
    /// [`Builder::from_vars`]. For another store, see [`from_env_on`](Self::from_env_on).
    ///
    /// # Errors
    /// [`Error::Setting`] names the variable that is missing or was refused, without its text; [`Error::Keyring`] if the
    /// keys do not go together; [`SettingError::NoBackend`] without the feature `redis`. There is never a cache without
    /// encryption instead.
    pub fn from_env() -> Result<Self, Error> {
        Builder::from_vars(None, super::variable)?.build()
    }

    /// The same over this backend, as it is; no variable of a Redis is looked at.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_env_on(backend: impl Backend) -> Result<Self, Error> {
        Builder::from_vars(Some(AnyBackend::new(backend)), super::variable)?.build()
    }
}

impl Builder {
    /// The settings of [`Cache::from_env`], with variables from `lookup`, and over this backend if there is one.
    ///
    /// ```
    /// # fn main() -> Result<(), blindcache::Error> {
    /// use std::time::Duration;
    /// use blindcache::{AnyBackend, Builder, MemoryBackend};
    ///
    /// let lookup = |name: &str| match name { // or |name: &str| std::env::var(name).ok()
    ///     "BLINDCACHE_MASTER_KEY" => Some("6e1a71a2cd1a4a3f2c35bd30f4ef9a3d3f0a4eaf44a70b0e6b2f8c75d4c3a917".to_owned()),
    ///     "BLINDCACHE_TTL" => Some("10m".to_owned()),
    ///     _ => None,
    /// };
    /// let backend = AnyBackend::new(MemoryBackend::new());
    /// let cache = Builder::from_vars(Some(backend), lookup)?.stale(Duration::from_secs(60)).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Cache::from_env`].
    pub fn from_vars(
        backend: Option<AnyBackend>,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let keys = Keyring::from_vars(&lookup)?;
        let tenant = text(TENANT, &lookup)?.unwrap_or_else(|| "default".to_owned());
        let keys = keys.tenant(&tenant).map_err(|source| refused(TENANT, source))?;
        let backend = match backend {
            Some(backend) => backend,
            None => redis(&lookup)?,
        };
        let mut store = EncryptedBackend::new(backend, keys);
        if let Some(namespace) = text(NAMESPACE, &lookup)? {
            store = store.namespace(&namespace).map_err(|source| refused(NAMESPACE, source))?;
        }
        let builder = Cache::builder(store);
        let Some(ttl) = text(TTL, &lookup)? else { return Ok(builder) };
        let builder = builder.ttl(duration(&ttl).map_err(|source| refused(TTL, source.into()))?);
        builder.check().map_err(|source| refused(TTL, source))?;
        Ok(builder)
    }
}

#[cfg(feature = "redis")]
fn redis(lookup: &impl Fn(&str) -> Option<String>) -> Result<AnyBackend, Error> {
    use crate::{backend::redis::RedisBackend, layer::BackendExt};

    for variable in REDIS {
        if let Some(url) = text(variable, lookup)? {
            let redis = RedisBackend::new(&url).map_err(|source| refused(variable, source.into()))?;
            return Ok(AnyBackend::new(redis.resilient()));
        }
    }
    let hint =
        "the URL of a Redis, such as redis://127.0.0.1:6379; CACHEKIT_REDIS_URL or REDIS_URL will do too";
    Err(SettingError::Missing { variable: REDIS[0], hint }.into())
}

#[cfg(not(feature = "redis"))]
fn redis(_: &impl Fn(&str) -> Option<String>) -> Result<AnyBackend, Error> {
    Err(SettingError::NoBackend.into())
}

pub(super) fn refused(variable: &'static str, source: Error) -> Error {
    SettingError::Variable { variable, source: Box::new(source) }.into()
}

/// What the variable holds, without white space around it; `None` if that is nothing.
pub(super) fn text(
    variable: &'static str,
    lookup: &impl Fn(&str) -> Option<String>,
) -> Result<Option<String>, Error> {
    let Some(text) = lookup(variable) else { return Ok(None) };
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(refused(variable, SettingError::Utf8.into()));
    }
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// A whole number of seconds, or of the unit that follows it.
pub(super) fn duration(text: &str) -> Result<Duration, SettingError> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60 * 1_000,
        "h" => 60 * 60 * 1_000,
        "d" => 24 * 60 * 60 * 1_000,
        _ => return Err(SettingError::Duration),
    };
    let number: Option<u64> = number.parse().ok();
    let millis = number.and_then(|number| number.checked_mul(millis)).ok_or(SettingError::Duration)?;
    Ok(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests;
