//! The settings of a [`CloudflareKvBackend`].

use std::fmt;

use zeroize::Zeroizing;

use super::{CloudflareKvBackend, NAME, wire::Api};
use crate::{
    backend::web::{Failure, Settings, setters},
    error::BackendError,
};

/// Where Cloudflare serves its API.
const API: &str = "https://api.cloudflare.com/client/v4";
/// Most characters of the id of an account or of a namespace.
const MAX_ID: usize = 32;

/// A [`CloudflareKvBackend`] with other limits or certificates than the default ones, or at another address.
///
/// ```
/// # fn example(account: &str, namespace: &str, token: &str) -> Result<(), blindcache::BackendError> {
/// use std::time::Duration;
/// use blindcache::CloudflareKvBackend;
///
/// let kv = CloudflareKvBackend::builder(account, namespace, token)
///     .timeout(Duration::from_secs(5))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct CloudflareKvBuilder {
    settings: Settings,
    base: Zeroizing<String>,
    account: String,
    namespace: String,
    has_token: bool,
}

impl CloudflareKvBuilder {
    pub(super) fn new(account: &str, namespace: &str, token: &str) -> Self {
        let mut settings = Settings::new(CloudflareKvBackend::LARGEST_ENTRY);
        settings.header("authorization", &Zeroizing::new(format!("Bearer {token}")));
        Self {
            settings,
            base: Zeroizing::new(API.to_owned()),
            account: account.to_owned(),
            namespace: namespace.to_owned(),
            has_token: !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()),
        }
    }

    setters!();

    /// Where the API is, up to its version: `https://api.cloudflare.com/client/v4` by default.
    ///
    /// By an `http://` URL the token is sent in clear.
    pub fn base_url(mut self, url: &str) -> Self {
        self.base = Zeroizing::new(url.to_owned());
        self
    }

    /// The largest entry in bytes, at most and by default [25 MiB](CloudflareKvBackend::LARGEST_ENTRY).
    ///
    /// It bounds what is sent, and what is read: a larger entry that another has written is
    /// [`Rejected`](crate::BackendErrorKind::Rejected). An entry is somewhat larger than its value.
    pub fn max_entry(mut self, bytes: usize) -> Self {
        self.settings.limits.max_entry = bytes;
        self
    }

    /// The backend. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if an id is not 1 to 32 letters and digits, the token
    /// is empty or has other than visible ASCII characters, the base URL is not an `http://` or `https://` one, the time
    /// limit is zero or more than an hour, the largest entry is zero or more than 25 MiB, a certificate or key cannot be
    /// read, the system has no CA certificates and none are given, or certificates are given for a URL without TLS or
    /// for a client, which has its own.
    pub fn build(self) -> Result<CloudflareKvBackend, BackendError> {
        if !is_id(&self.account) || !is_id(&self.namespace) {
            return Err(Failure::setting("an id that is not 1 to 32 letters and digits").of(NAME));
        }
        if !self.has_token {
            return Err(Failure::setting("a token that is empty or not visible ASCII").of(NAME));
        }
        let web = self.settings.build(NAME, &self.base, CloudflareKvBackend::LARGEST_ENTRY)?;
        Ok(CloudflareKvBackend::with(Api::new(web, &self.account, &self.namespace)))
    }
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl fmt::Debug for CloudflareKvBuilder {
    /// Shows nothing of the ids, the token and the URL, which may be anything yet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudflareKvBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::BackendErrorKind;

    /// With a URL that needs no certificates of the system.
    fn builder(account: &str, token: &str) -> CloudflareKvBuilder {
        CloudflareKvBackend::builder(account, "0f2ac74b498b48028cb68387c421e279", token)
            .base_url("http://localhost/client/v4")
    }

    fn refused(builder: CloudflareKvBuilder) {
        assert!(!format!("{builder:?}").contains("hunter2"));
        let err = builder.build().unwrap_err();
        assert_eq!(err.kind(), BackendErrorKind::Misconfigured);
        assert!(!format!("{err:?}").contains("hunter2"));
    }

    #[test]
    fn settings_that_cannot_work_are_misconfigured() {
        let good = || builder("023e105f4ecef8ad9ca31a8372d0c353", "hunter2");
        assert!(good().build().is_ok());
        refused(builder("", "hunter2"));
        refused(builder("hunter2/..", "hunter2"));
        refused(builder("023e105f4ecef8ad9ca31a8372d0c353a", "hunter2"));
        refused(builder("a", ""));
        refused(builder("a", " "));
        refused(builder("a", "hunter2 hunter2"));
        refused(builder("a", "hunter2\n"));
        refused(builder("a", "hunter2é"));
        refused(good().base_url("hunter2"));
        refused(good().base_url("https://localhost/?hunter2"));
        refused(good().timeout(Duration::ZERO));
        refused(good().max_entry(0));
        refused(good().max_entry(CloudflareKvBackend::LARGEST_ENTRY + 1));
        refused(good().ca_certificates("hunter2"));
        refused(good().base_url("https://localhost").ca_certificates("hunter2"));
    }

    #[test]
    fn debug_shows_the_server_and_nothing_of_the_ids_and_the_token() {
        let shown = format!("{:?}", builder("acc0unt", "hunter2").build().unwrap());
        assert!(shown.contains("localhost"));
        assert!(!shown.contains("acc0unt") && !shown.contains("hunter2") && !shown.contains("0f2ac74b"));
    }
}
