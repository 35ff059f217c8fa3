//! What can be set of every backend over HTTP.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::{Client, header::HeaderMap};
use rustls::ClientConfig;

use super::{
    Web,
    base::{self, Base},
    error::Failure,
    pool::{Pool, Recipe},
};
use crate::{backend::tls::Tls, error::BackendError};

/// The time limit of a call unless it is set.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time limit: no call hangs.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// How long a call may take, and what it may be about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) timeout: Duration,
    /// In bytes.
    pub(crate) max_entry: usize,
}

/// The settings of a [`Web`], which [`build`](Self::build) makes.
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) tls: Tls,
    /// The caller's own.
    pub(crate) client: Option<Client>,
    headers: HeaderMap,
    flaw: Option<Failure>,
}

impl Settings {
    /// 2 s for a call, this many bytes for an entry, and what the system trusts.
    pub(crate) fn new(max_entry: usize) -> Self {
        let limits = Limits { timeout: TIMEOUT, max_entry };
        Self { limits, tls: Tls::default(), client: None, headers: HeaderMap::new(), flaw: None }
    }

    /// Adds a header to every request, whose value is a secret. What cannot be one fails at `build`.
    pub(crate) fn header(&mut self, name: &str, value: &str) {
        match base::secret(name, value) {
            Ok((name, value)) => drop(self.headers.insert(name, value)),
            Err(failure) => self.flaw = Some(failure),
        }
    }

    /// Adds a header to every request that is no secret.
    #[cfg(feature = "upstash")]
    pub(crate) fn public_header(
        &mut self,
        name: reqwest::header::HeaderName,
        value: reqwest::header::HeaderValue,
    ) {
        self.headers.insert(name, value);
    }

    /// The server at a URL, for the backend of this name, whose store takes entries of up to `largest` bytes.
    ///
    /// Nothing is connected yet, and no Tokio runtime is needed.
    pub(crate) fn build(self, name: &'static str, url: &str, largest: usize) -> Result<Web, BackendError> {
        self.try_build(name, url, largest).map_err(|failure| failure.of(name))
    }

    fn try_build(self, name: &'static str, url: &str, largest: usize) -> Result<Web, Failure> {
        let Self { limits, tls, client, headers, flaw } = self;
        if let Some(flaw) = flaw {
            return Err(flaw);
        }
        limits.check(largest)?;
        let url = base::parse(url)?;
        let is_tls = url.scheme() == "https";
        if tls.is_set() && (!is_tls || client.is_some()) {
            return Err(Failure::setting(
                "certificates for an http:// URL, or for a client, which has its own",
            ));
        }
        let pool = match client {
            Some(client) => Pool::theirs(client, limits.timeout),
            None => {
                let tls = if is_tls { tls.config() } else { Tls::trusting_nobody() };
                let tls: Arc<ClientConfig> = tls.map_err(Failure::setting)?;
                Pool::new(Recipe { tls: Arc::unwrap_or_clone(tls), limit: limits.timeout })?
            }
        };
        let base = Base::new(pool.unpooled(), url, headers)?;
        Ok(Web::new(name, base, limits, pool))
    }
}

impl Limits {
    fn check(&self, largest: usize) -> Result<(), Failure> {
        if self.timeout.is_zero() || self.timeout > LONGEST {
            return Err(Failure::setting("a time limit of zero or of more than an hour"));
        }
        if self.max_entry == 0 || self.max_entry > largest {
            return Err(Failure::setting("a largest entry of zero, or of more than the store takes"));
        }
        Ok(())
    }
}

impl fmt::Debug for Settings {
    /// Shows nothing of the client and the headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { timeout, max_entry } = self.limits;
        f.debug_struct("Settings")
            .field("timeout", &timeout)
            .field("max_entry", &max_entry)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// The setters of a builder that every backend over HTTP has, for one with a field `settings`.
macro_rules! setters {
    () => {
        /// How long a call may take in all: connecting, sending, and the whole answer. 2 s by default, at most an hour.
        ///
        /// Set it so that your largest value can be sent, and arrives, in this time.
        pub fn timeout(mut self, limit: std::time::Duration) -> Self {
            self.settings.limits.timeout = limit;
            self
        }

        /// PEM certificates of the CAs to trust, in place of those that the system trusts.
        pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
            self.settings.tls.ca = Some(pem.into());
            self
        }

        /// The certificate chain and the private key to present to the server, both PEM.
        pub fn client_certificate(
            mut self,
            chain_pem: impl Into<Vec<u8>>,
            key_pem: impl Into<Vec<u8>>,
        ) -> Self {
            self.settings.tls.client = Some((chain_pem.into(), zeroize::Zeroizing::new(key_pem.into())));
            self
        }

        /// An HTTP client of yours, with its pool, certificates, proxy and time limits, in place of our own.
        ///
        /// Make it with `redirect(Policy::none())` and without decompression: an entry that was followed elsewhere, or
        /// changed, is not the one that was asked for. The time limit and the bound on what is read hold here too, but
        /// half-open connections are the client's own affair: with HTTP/2 set `http2_keep_alive_interval`.
        pub fn client(mut self, client: reqwest::Client) -> Self {
            self.settings.client = Some(client);
            self
        }
    };
}
pub(crate) use setters;

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::*;
    use crate::{backend::web::pool::tests::client, error::BackendErrorKind};

    const URL: &str = "http://u:hunter2@h.example/";
    const TLS_URL: &str = "https://u:hunter2@h.example/";

    fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::new(1_000);
        change(&mut settings);
        settings
    }

    fn refused(url: &str, change: impl FnOnce(&mut Settings)) {
        let settings = settings(change);
        assert!(!format!("{settings:?}").contains("hunter2"));
        let err = settings.build("web", url, 1_000).err().unwrap();
        assert_eq!((err.kind(), err.backend()), (BackendErrorKind::Misconfigured, "web"));
        assert!(!format!("{err:?}").contains("hunter2"));
    }

    #[test]
    fn settings_that_cannot_work_are_misconfigured() {
        assert!(settings(|_| {}).build("web", URL, 1_000).is_ok());
        refused("hunter2", |_| {});
        refused(URL, |it| it.limits.timeout = Duration::ZERO);
        refused(URL, |it| it.limits.timeout = LONGEST + Duration::from_nanos(1));
        refused(URL, |it| it.limits.max_entry = 0);
        refused(URL, |it| it.limits.max_entry = 1_001);
        refused(URL, |it| it.header("X-Token", "hunter2\r\n"));
        refused(URL, |it| it.header("hunter2 ", "x"));
        refused(URL, |it| it.tls.ca = Some("hunter2".into()));
        refused(TLS_URL, |it| it.tls.ca = Some("hunter2".into()));
        refused(TLS_URL, |it| {
            it.tls.ca = Some("hunter2".into());
            it.client = Some(client());
        });
    }

    #[test]
    fn every_request_has_the_headers() {
        let settings = settings(|it| it.header("X-Token", "hunter2"));
        let web = settings.build("web", URL, 1_000).unwrap();
        let request = web.request(Method::GET, &["a"]);
        assert_eq!(request.headers()["x-token"], "hunter2");
        assert_eq!(request.headers().len(), 2);
        assert!(!format!("{request:?} {}", web.server()).contains("hunter2"));
    }

    #[test]
    fn call_without_a_runtime_is_misconfigured() {
        let web = settings(|_| {}).build("web", URL, 1_000).unwrap();
        let mut call = std::pin::pin!(web.send_by(web.deadline(), web.request(Method::GET, &[]), 0));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(done) = call.as_mut().poll(&mut context) else { panic!("it waits") };
        assert_eq!(done.err().unwrap().kind(), BackendErrorKind::Misconfigured);
    }
}
