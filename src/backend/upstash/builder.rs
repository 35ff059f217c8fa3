//! The settings of an [`UpstashBackend`].

use std::{fmt, sync::Arc};

use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use super::{NAME, UpstashBackend, request};
use crate::{
    backend::web::{self, Failure, Settings, setters},
    error::BackendError,
};

/// Longest token in bytes. Those of Upstash have about 60.
const MAX_TOKEN: usize = 4 * 1024;

/// An [`UpstashBackend`] with other limits, certificates or another client than the default ones.
///
/// ```
/// # fn example(token: &str) -> Result<(), blindcache::BackendError> {
/// use std::time::Duration;
/// use blindcache::UpstashBackend;
///
/// let upstash = UpstashBackend::builder("https://us1-merry-cat-32748.upstash.io", token)
///     .timeout(Duration::from_millis(500))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct UpstashBuilder {
    url: Zeroizing<String>,
    token: Zeroizing<String>,
    settings: Settings,
}

impl UpstashBuilder {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let mut settings = Settings::new(UpstashBackend::ENTRY);
        settings.public_header(request::FORMAT, HeaderValue::from_static("resp2"));
        Self { url: Zeroizing::new(url.to_owned()), token: Zeroizing::new(token.to_owned()), settings }
    }

    setters!();

    /// The largest entry in bytes, at most [100 MB](UpstashBackend::LARGEST_ENTRY). By default what the plans "Free" and
    /// "Pay as you go" take, [`ENTRY`](UpstashBackend::ENTRY): set more only in a plan with larger requests.
    ///
    /// It bounds what is sent, and what is read: a longer answer is [`Rejected`](crate::BackendErrorKind::Rejected). So
    /// set it no lower than others who write to the same database.
    pub fn max_entry(mut self, bytes: usize) -> Self {
        self.settings.limits.max_entry = bytes;
        self
    }

    /// The backend. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if the URL or the token is none that
    /// [`UpstashBackend::new`] takes, the time limit is zero or more than an hour, the largest entry is zero or more than
    /// 100 MB, a certificate or key cannot be read, the system has no CA certificates and none are given, or certificates
    /// are given for an `http://` URL or with a client, which has its own.
    pub fn build(mut self) -> Result<UpstashBackend, BackendError> {
        check_token(&self.token)?;
        self.settings.header("authorization", &Zeroizing::new(format!("Bearer {}", *self.token)));
        let web = self.settings.build(NAME, &self.url, UpstashBackend::LARGEST_ENTRY)?;
        Ok(UpstashBackend { web: Arc::new(web) })
    }
}

/// Whether it can be a token at all.
pub(crate) fn check_token(token: &str) -> Result<(), BackendError> {
    if token.is_empty() || token.len() > MAX_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::setting("a token is 1 to 4,096 visible ASCII characters").of(NAME));
    }
    Ok(())
}

/// Whether it can be the URL of a database.
pub(crate) fn check_url(url: &str) -> Result<(), BackendError> {
    web::parse(url).map(drop).map_err(|failure| failure.of(NAME))
}

impl fmt::Debug for UpstashBuilder {
    /// Does not show the URL, which may be anything yet, nor the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstashBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::BackendErrorKind;

    fn refused(builder: UpstashBuilder) {
        assert!(!format!("{builder:?}").contains("hunter2"));
        let err = builder.build().unwrap_err();
        assert_eq!((err.backend(), err.kind()), (NAME, BackendErrorKind::Misconfigured));
        assert!(!format!("{err:?} {err}").contains("hunter2"));
    }

    #[test]
    fn settings_that_cannot_work_are_misconfigured() {
        let plain = || UpstashBackend::builder("http://localhost", "hunter2");
        assert!(plain().build().is_ok());
        assert!(plain().max_entry(UpstashBackend::LARGEST_ENTRY).build().is_ok());
        refused(plain().timeout(Duration::ZERO));
        refused(plain().timeout(Duration::MAX));
        refused(plain().max_entry(0));
        refused(plain().max_entry(UpstashBackend::LARGEST_ENTRY + 1));
        refused(plain().ca_certificates("hunter2"));
        refused(UpstashBackend::builder("https://localhost", "t").ca_certificates("hunter2"));
        for url in ["", "hunter2", "redis://hunter2@host", "https://h/?_token=hunter2", "https://h/#hunter2"]
        {
            refused(UpstashBackend::builder(url, "t"));
        }
        for token in ["", "hunter2 ", "hunter2\n", "hunter2\u{e9}", &"hunter2".repeat(1_000)] {
            refused(UpstashBackend::builder("http://localhost", token));
        }
    }

    #[test]
    fn debug_shows_the_url_and_no_secret() {
        let backend = UpstashBackend::new("http://u5er:hunter2@localhost:7000", "t0ken").unwrap();
        let shown = format!("{backend:?}");
        assert!(shown.contains("http://localhost:7000"), "{shown}");
        assert!(!shown.contains("u5er") && !shown.contains("hunter2") && !shown.contains("t0ken"), "{shown}");
    }
}
