//! The settings of a [`RedisBackend`].

use std::{fmt, sync::Arc, time::Duration};

use rustls::ClientConfig;
use zeroize::Zeroizing;

use super::{
    RedisBackend, Servers,
    error::Failure,
    link::{Limits, Link},
    target::Target,
};
#[cfg(feature = "redis-cluster")]
use super::{access::Access, cluster::Cluster, sentinel::Sentinels, target::Address};
use crate::{backend::tls::Tls, error::BackendError};

/// Longest time limit: no call hangs.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// A [`RedisBackend`] with other limits or certificates than the default ones.
///
/// ```
/// # fn example(ca: &[u8]) -> Result<(), blindcache::BackendError> {
/// use std::time::Duration;
/// use blindcache::RedisBackend;
///
/// let redis = RedisBackend::builder("rediss://redis.example:6380")
///     .response_timeout(Duration::from_millis(250))
///     .ca_certificates(ca)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct RedisBuilder {
    server: Server,
    limits: Limits,
    tls: Tls,
}

/// Whom to connect to, as it was given.
enum Server {
    Url(Zeroizing<String>),
    Client(redis::Client),
    #[cfg(feature = "redis-cluster")]
    Cluster(Given),
    #[cfg(feature = "redis-cluster")]
    Service(Zeroizing<String>, Given),
}

/// Seeds or sentinels, as they were given.
#[cfg(feature = "redis-cluster")]
enum Given {
    Urls(Vec<Zeroizing<String>>),
    Clients(Vec<redis::Client>),
}

impl RedisBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self::with(Server::Url(Zeroizing::new(url.to_owned())))
    }

    pub(super) fn from_client(client: &redis::Client) -> Self {
        Self::with(Server::Client(client.clone()))
    }

    fn with(server: Server) -> Self {
        Self { server, limits: Limits::default(), tls: Tls::default() }
    }

    /// How long connecting may take, from looking up the host to the server's first answer, or from asking the first
    /// sentinel to the master's. 1 s by default.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.limits.connect = limit;
        self
    }

    /// How long the server may take to answer; 1 s for each 4 MiB sent comes on top. 1 s by default.
    ///
    /// The answer's own size is not known before: set it so that your largest value arrives in this time.
    pub fn response_timeout(mut self, limit: Duration) -> Self {
        self.limits.response = limit;
        self
    }

    /// The largest entry in bytes, at most 512 MiB. 128 MiB by default.
    ///
    /// It bounds what is sent, and what a server may send: see [`RedisBackend`]. An entry is somewhat larger than its
    /// value: set it to twice [`max_value`](crate::EncryptedBackend::max_value). Set it no lower than others who
    /// write to the same server: reading a larger entry is [`Rejected`](crate::BackendErrorKind::Rejected), and ends
    /// the connection each time.
    pub fn max_entry(mut self, bytes: usize) -> Self {
        self.limits.max_entry = bytes;
        self
    }

    /// PEM certificates of the CAs to trust, in place of those that the system trusts.
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.ca = Some(pem.into());
        self
    }

    /// The certificate chain and the private key to present to the server, both PEM.
    pub fn client_certificate(mut self, chain_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.tls.client = Some((chain_pem.into(), Zeroizing::new(key_pem.into())));
        self
    }

    /// The backend. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if the URL is none that [`RedisBackend::new`] takes,
    /// the client's settings cannot work, a time limit is zero or more than an hour, the largest entry is zero or more
    /// than 512 MiB, a certificate or key cannot be read, the system has no CA certificates and none are given, or
    /// certificates are given for a URL without TLS or for a client, which has its own. So it is with what
    /// `RedisBackend::cluster` and `RedisBackend::sentinel` refuse.
    pub fn build(self) -> Result<RedisBackend, BackendError> {
        let Limits { connect, response, max_entry } = self.limits;
        if connect.is_zero() || response.is_zero() || connect.max(response) > LONGEST {
            return Err(Failure::setting("a time limit of zero or of more than an hour").into());
        }
        if max_entry == 0 || max_entry > RedisBackend::LARGEST_ENTRY {
            return Err(Failure::setting("a largest entry of zero or of more than 512 MiB").into());
        }
        let mut tls = Lazy { tls: &self.tls, config: None };
        let servers = match &self.server {
            Server::Url(url) => Servers::One(Link::new(Target::parse(url, || tls.config())?, self.limits)),
            Server::Client(client) => Servers::One(Link::new(Target::client(client)?, self.limits)),
            #[cfg(feature = "redis-cluster")]
            Server::Cluster(seeds) => Servers::Cluster(Cluster::new(seeds.targets(&mut tls)?, self.limits)?),
            #[cfg(feature = "redis-cluster")]
            Server::Service(service, sentinels) => {
                let (service, access) = Access::to_service(service, || tls.config())?;
                let sentinels = Sentinels::new(service, sentinels.targets(&mut tls)?, self.limits)?;
                Servers::One(Link::new(Target { address: Address::Named(sentinels), access }, self.limits))
            }
        };
        if self.tls.is_set() && tls.config.is_none() {
            return Err(Failure::setting("certificates for what is not a rediss:// URL").into());
        }
        Ok(RedisBackend { servers })
    }
}

/// The TLS settings, read when a server wants TLS, once for all servers.
struct Lazy<'a> {
    tls: &'a Tls,
    config: Option<Arc<ClientConfig>>,
}

impl Lazy<'_> {
    fn config(&mut self) -> Result<Arc<ClientConfig>, Failure> {
        let config = match &self.config {
            Some(config) => config.clone(),
            None => self.tls.config().map_err(Failure::setting)?,
        };
        Ok(self.config.insert(config).clone())
    }
}

#[cfg(feature = "redis-cluster")]
impl Given {
    fn urls(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::Urls(urls.into_iter().map(|url| Zeroizing::new(url.as_ref().to_owned())).collect())
    }

    fn targets(&self, tls: &mut Lazy<'_>) -> Result<Vec<Target>, Failure> {
        match self {
            Self::Urls(urls) => urls.iter().map(|url| Target::parse(url, || tls.config())).collect(),
            Self::Clients(clients) => {
                clients.iter().map(|client| Target::described(client, || tls.config())).collect()
            }
        }
    }
}

#[cfg(feature = "redis-cluster")]
impl RedisBuilder {
    pub(super) fn cluster(seeds: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::with(Server::Cluster(Given::urls(seeds)))
    }

    pub(super) fn cluster_from_clients(seeds: &[redis::Client]) -> Self {
        Self::with(Server::Cluster(Given::Clients(seeds.to_vec())))
    }

    pub(super) fn sentinel(service: &str, sentinels: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::with(Server::Service(Zeroizing::new(service.to_owned()), Given::urls(sentinels)))
    }

    pub(super) fn sentinel_from_clients(service: &str, sentinels: &[redis::Client]) -> Self {
        let service = Zeroizing::new(service.to_owned());
        Self::with(Server::Service(service, Given::Clients(sentinels.to_vec())))
    }
}

impl fmt::Debug for RedisBuilder {
    /// Does not show the URL, which may be anything yet, nor the client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { connect, response, max_entry } = self.limits;
        f.debug_struct("RedisBuilder")
            .field("connect_timeout", &connect)
            .field("response_timeout", &response)
            .field("max_entry", &max_entry)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::BackendErrorKind;

    fn refused(builder: RedisBuilder) {
        assert!(!format!("{builder:?}").contains("hunter2"));
        let err = builder.build().unwrap_err();
        assert_eq!(err.kind(), BackendErrorKind::Misconfigured);
        assert!(!format!("{err:?}").contains("hunter2"));
    }

    #[test]
    fn settings_that_cannot_work_are_misconfigured() {
        let plain = || RedisBackend::builder("redis://u:hunter2@localhost");
        let tls = || RedisBackend::builder("rediss://u:hunter2@localhost");
        assert!(plain().build().is_ok());
        refused(plain().connect_timeout(Duration::ZERO));
        refused(plain().response_timeout(Duration::ZERO));
        refused(plain().response_timeout(Duration::MAX));
        refused(plain().max_entry(0));
        refused(plain().max_entry(RedisBackend::LARGEST_ENTRY + 1));
        assert!(plain().max_entry(RedisBackend::LARGEST_ENTRY).build().is_ok());
        refused(plain().ca_certificates("hunter2"));
        refused(tls().ca_certificates("hunter2"));
        refused(tls().client_certificate("hunter2", "hunter2"));
        let client = redis::Client::open("redis://u:hunter2@localhost").unwrap();
        let client = || RedisBackend::builder_from_client(&client);
        assert!(client().build().is_ok());
        refused(client().response_timeout(Duration::ZERO));
        refused(client().ca_certificates("hunter2"));
    }

    #[test]
    fn debug_shows_the_server_and_nothing_of_the_login() {
        let backend = RedisBackend::new("redis://u5er:hunter2@localhost:7000/3").unwrap();
        let shown = format!("{backend:?}");
        assert!(shown.contains("redis://localhost:7000/3"));
        assert!(!shown.contains("u5er") && !shown.contains("hunter2"));
    }

    #[cfg(feature = "redis-cluster")]
    #[test]
    fn clusters_and_services_that_cannot_work_are_misconfigured() {
        let none: [&str; 0] = [];
        let plain = "redis://u:hunter2@localhost";
        let secure = "rediss://u:hunter2@localhost";
        let cluster = |urls: &[&str]| RedisBackend::cluster_builder(urls);
        assert!(cluster(&[plain, "redis://u:hunter2@other:7000"]).build().is_ok());
        refused(cluster(&none));
        refused(cluster(&[plain, "hunter2"]));
        refused(cluster(&[plain, "redis://u:another-hunter2@localhost"]));
        refused(cluster(&[plain, secure]).ca_certificates("hunter2"));
        refused(cluster(&["redis://u:hunter2@localhost/1"]));
        refused(cluster(&["unix:///run/hunter2"]));
        refused(cluster(&[plain]).ca_certificates("hunter2"));
        refused(cluster(&[plain]).response_timeout(Duration::ZERO));

        let service = |service: &str, urls: &[&str]| RedisBackend::sentinel_builder(service, urls);
        assert!(service("my.Master_1-a", &[plain]).build().is_ok());
        assert!(service("redis://u:hunter2@my.Master_1-a/3", &[plain, "redis://other"]).build().is_ok());
        refused(service("mymaster", &none));
        refused(service("", &[plain]));
        refused(service("hunter2@mymaster", &[plain]));
        refused(service("unix:///run/hunter2", &[plain]));
        refused(service("mymaster", &["redis://u:hunter2@localhost/1"]));
        refused(service("mymaster", &["unix:///run/hunter2"]));
        refused(service("mymaster", &[plain]).client_certificate("hunter2", "hunter2"));
        let client = |url: &str| [redis::Client::open(url).unwrap()];
        assert!(RedisBackend::cluster_builder_from_clients(&client(plain)).build().is_ok());
        assert!(RedisBackend::sentinel_builder_from_clients("mymaster", &client(plain)).build().is_ok());
        refused(RedisBackend::cluster_builder_from_clients(&client("redis://u:hunter2@localhost/1")));
        refused(RedisBackend::cluster_builder_from_clients(&client("unix:///run/hunter2")));
        refused(RedisBackend::sentinel_builder_from_clients("mymaster", &client("unix:///run/hunter2")));
    }

    #[cfg(feature = "redis-cluster")]
    #[test]
    fn debug_shows_the_servers_of_a_cluster_and_a_service_and_no_login() {
        let cluster = RedisBackend::cluster(["redis://u5er:hunter2@a:7000", "redis://u5er:hunter2@b:7001"]);
        let sentinels = ["redis://u5er:hunter2@s1:26379", "redis://u5er:hunter2@s2:26379"];
        let service = RedisBackend::sentinel("redis://u5er:hunter2@mymaster/3", sentinels);
        for (backend, parts) in [
            (cluster, &["redis://a:7000", "redis://b:7001"][..]),
            (service, &["mymaster", "database 3", "redis://s1:26379", "redis://s2:26379"]),
        ] {
            let shown = format!("{:?}", backend.unwrap());
            assert!(parts.iter().all(|part| shown.contains(part)), "{shown}");
            assert!(!shown.contains("u5er") && !shown.contains("hunter2"), "{shown}");
        }
    }
}
