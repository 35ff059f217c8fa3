//! The settings of an [`HttpBackend`].

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use super::{HttpBackend, NAME};
use crate::{
    backend::web::{self, Settings},
    error::BackendError,
};

/// Largest entry in bytes unless it is set: 128 MiB, twice the largest value that `EncryptedBackend` takes by default.
const MAX_ENTRY: usize = 128 * 1024 * 1024;

/// An [`HttpBackend`] with headers, or with other limits or certificates than the default ones.
///
/// ```
/// # fn example(ca: &[u8], token: &str) -> Result<(), blindcache::BackendError> {
/// use std::time::Duration;
/// use blindcache::HttpBackend;
///
/// let store = HttpBackend::builder("https://store.example:8443")
///     .header("Authorization", &format!("Bearer {token}"))
///     .timeout(Duration::from_millis(250))
///     .ca_certificates(ca)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct HttpBuilder {
    url: Zeroizing<String>,
    settings: Settings,
}

impl HttpBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self { url: Zeroizing::new(url.to_owned()), settings: Settings::new(MAX_ENTRY) }
    }

    /// A header of every request, such as `Authorization`. Its value is a secret: it is in no error and no `Debug`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.settings.header(name, value);
        self
    }

    /// The largest entry in bytes, at most [512 MiB](HttpBackend::LARGEST_ENTRY). 128 MiB by default.
    ///
    /// It bounds what is sent, and what a server may send. An entry is somewhat larger than its value: set it to twice
    /// [`max_value`](crate::EncryptedBackend::max_value). Set it no lower than others who write to the same server: reading
    /// a larger entry is [`Rejected`](crate::BackendErrorKind::Rejected).
    pub fn max_entry(mut self, bytes: usize) -> Self {
        self.settings.limits.max_entry = bytes;
        self
    }

    web::setters!();

    /// The backend. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if the URL is none that [`HttpBackend::new`] takes, a
    /// header is none, the time limit is zero or more than an hour, the largest entry is zero or more than 512 MiB, a
    /// certificate or key cannot be read, the system has no CA certificates and none are given, or certificates are given
    /// for an `http://` URL or beside a client, which has its own.
    pub fn build(self) -> Result<HttpBackend, BackendError> {
        let web = self.settings.build(NAME, &self.url, HttpBackend::LARGEST_ENTRY)?;
        Ok(HttpBackend { web: Arc::new(web) })
    }
}

impl fmt::Debug for HttpBuilder {
    /// Does not show the URL, which may be anything yet, nor the headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::BackendErrorKind;

    #[test]
    fn settings_that_cannot_work_are_misconfigured() {
        let plain = || HttpBackend::builder("http://u:hunter2@h.example");
        assert!(plain().build().is_ok());
        assert!(plain().max_entry(HttpBackend::LARGEST_ENTRY).build().is_ok());
        for builder in [
            HttpBackend::builder("hunter2"),
            plain().max_entry(HttpBackend::LARGEST_ENTRY + 1),
            plain().header("X-Token", "hunter2\n"),
            plain().ca_certificates("hunter2"),
        ] {
            assert!(!format!("{builder:?}").contains("hunter2"));
            let err = builder.build().unwrap_err();
            assert_eq!(err.kind(), BackendErrorKind::Misconfigured);
            assert!(!format!("{err:?}").contains("hunter2"));
        }
    }

    #[test]
    fn debug_shows_the_server_and_nothing_of_the_login() {
        let builder = HttpBackend::builder("http://u5er:hunter2@h.example:7000/pa7h").header("X-T", "t0ken");
        let shown = format!("{:?}", builder.build().unwrap());
        assert!(shown.contains("http://h.example:7000\""), "{shown}");
        for secret in ["u5er", "hunter2", "pa7h", "t0ken"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
