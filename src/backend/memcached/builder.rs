//! The settings of a [`MemcachedBackend`].

use std::{fmt, sync::Arc, time::Duration};

use rustls::{ClientConfig, client::Resumption};
use zeroize::Zeroizing;

use super::{MemcachedBackend, address::Address, cluster::Cluster, error::Failure, server::Limits};
use crate::{backend::tls::Tls, error::BackendError};

/// Longest time limit: no call hangs.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// Largest entry in bytes that fits into the largest item that memcached can be told to take, 1 GiB.
const LARGEST: usize = 1024 * 1024 * 1024 - MemcachedBackend::OVERHEAD;
/// Most connections to one server.
const MOST: usize = 1_024;

/// A [`MemcachedBackend`] with other limits or certificates than the default ones.
///
/// ```
/// # fn example(ca: &[u8]) -> Result<(), blindcache::BackendError> {
/// use std::time::Duration;
/// use blindcache::MemcachedBackend;
///
/// let memcached = MemcachedBackend::builder("memcache+tls://cache-a.example,cache-b.example:11212")
///     .timeout(Duration::from_millis(250))
///     .ca_certificates(ca)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct MemcachedBuilder {
    /// As it was given.
    url: Zeroizing<String>,
    limits: Limits,
    tls: Tls,
}

impl MemcachedBuilder {
    pub(super) fn new(url: &str) -> Self {
        let limits = Limits {
            timeout: Duration::from_secs(2),
            max_entry: MemcachedBackend::ENTRY,
            max_connections: 16,
        };
        Self { url: Zeroizing::new(url.to_owned()), limits, tls: Tls::default() }
    }

    /// How long a call may take, connecting included; 1 s for each 4 MiB sent comes on top. 2 s by default.
    ///
    /// The answer's own size is not known before: set it so that your largest value arrives in this time.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limits.timeout = limit;
        self
    }

    /// The largest entry in bytes, at most 1 GiB less 178. [`MemcachedBackend::ENTRY`] by default.
    ///
    /// It bounds what is sent, and what a server may send. Raise it together with the option `-I` of the servers, to the
    /// size given there less 178: a server refuses what is larger with [`TooLarge`](crate::BackendErrorKind::TooLarge).
    /// Set it no lower than others who write to the same servers: reading a larger entry is
    /// [`Rejected`](crate::BackendErrorKind::Rejected), and ends the connection each time.
    pub fn max_entry(mut self, bytes: usize) -> Self {
        self.limits.max_entry = bytes;
        self
    }

    /// The most connections to each server, and so the most calls that it answers at the same time; further ones wait
    /// within their time limit. 1 to 1,024; 16 by default.
    pub fn max_connections(mut self, count: usize) -> Self {
        self.limits.max_connections = count;
        self
    }

    /// PEM certificates of the CAs to trust, in place of those that the system trusts.
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.ca = Some(pem.into());
        self
    }

    /// The certificate chain and the private key to present to the servers, both PEM.
    pub fn client_certificate(mut self, chain_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.tls.client = Some((chain_pem.into(), Zeroizing::new(key_pem.into())));
        self
    }

    /// The backend. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if the URL is none that [`MemcachedBackend::new`] takes,
    /// the time limit is zero or more than an hour, the largest entry is zero or more than 1 GiB less 178, there are no
    /// connections or more than 1,024, a certificate or key cannot be read, the system has no CA certificates and none
    /// are given, or certificates are given for a URL without TLS.
    pub fn build(self) -> Result<MemcachedBackend, BackendError> {
        let Limits { timeout, max_entry, max_connections } = self.limits;
        if timeout.is_zero() || timeout > LONGEST {
            return Err(Failure::setting("a time limit of zero or of more than an hour").into());
        }
        if max_entry == 0 || max_entry > LARGEST {
            return Err(
                Failure::setting("a largest entry of zero or of more than 1 GiB less 178 bytes").into()
            );
        }
        if max_connections == 0 || max_connections > MOST {
            return Err(Failure::setting("no connections, or more than 1,024").into());
        }
        let addresses = Address::parse(&self.url, || tls_config(&self.tls))?;
        if self.tls.is_set() && !addresses.iter().all(Address::is_tls) {
            return Err(Failure::setting("certificates for what is not a memcache+tls:// URL").into());
        }
        Ok(MemcachedBackend::of(Cluster::new(addresses, self.limits)))
    }
}

/// Without resumption: memcached, where it asks for a client's certificate, ends each connection that resumes a session.
fn tls_config(tls: &Tls) -> Result<Arc<ClientConfig>, Failure> {
    let mut config = ClientConfig::clone(&*tls.config().map_err(Failure::setting)?);
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

impl fmt::Debug for MemcachedBuilder {
    /// Does not show the URL, which may be anything yet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { timeout, max_entry, max_connections } = self.limits;
        f.debug_struct("MemcachedBuilder")
            .field("timeout", &timeout)
            .field("max_entry", &max_entry)
            .field("max_connections", &max_connections)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::BackendErrorKind;

    fn refused(builder: MemcachedBuilder) {
        assert!(!format!("{builder:?}").contains("hunter2"));
        let err = builder.build().unwrap_err();
        assert_eq!(err.kind(), BackendErrorKind::Misconfigured);
        assert!(!format!("{err:?}").contains("hunter2"));
    }

    #[test]
    fn settings_that_cannot_work_are_misconfigured() {
        let plain = || MemcachedBackend::builder("memcache://localhost");
        let tls = || MemcachedBackend::builder("memcache+tls://localhost");
        assert!(plain().build().is_ok());
        refused(MemcachedBackend::builder("memcache://u:hunter2@localhost"));
        refused(plain().timeout(Duration::ZERO));
        refused(plain().timeout(Duration::MAX));
        refused(plain().max_entry(0));
        refused(plain().max_entry(LARGEST + 1));
        assert!(plain().max_entry(LARGEST).build().is_ok());
        refused(plain().max_connections(0));
        refused(plain().max_connections(MOST + 1));
        refused(plain().ca_certificates("hunter2"));
        refused(tls().ca_certificates("hunter2"));
        refused(tls().client_certificate("hunter2", "hunter2"));
    }

    #[test]
    fn debug_shows_the_servers() {
        let backend = MemcachedBackend::new("memcache://a,b:7000").unwrap();
        let shown = format!("{backend:?}");
        assert!(shown.contains("memcache://a:11211") && shown.contains("memcache://b:7000"), "{shown}");
    }
}
