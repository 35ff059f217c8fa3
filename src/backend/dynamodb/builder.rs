//! The settings of a [`DynamoDbBackend`].

use std::{fmt, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{ProvideCredentials, SharedCredentialsProvider},
};
use zeroize::Zeroizing;

use super::{
    DynamoDbBackend,
    connector::Connections,
    error::Failure,
    item::MAX_ITEM,
    link::{Limits, Link, Service},
};
use crate::{backend::tls::Tls, error::BackendError};

/// Longest time limit: no call hangs.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// A [`DynamoDbBackend`] with other limits, another endpoint, or other credentials than the default ones.
///
/// ```
/// # fn example() -> Result<(), blindcache::BackendError> {
/// use std::time::Duration;
/// use blindcache::DynamoDbBackend;
///
/// let table = DynamoDbBackend::builder("cache", "eu-central-1")
///     .timeout(Duration::from_millis(500))
///     .consistent_reads(false)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct DynamoDbBuilder {
    table: String,
    limits: Limits,
    origin: Origin,
    endpoint: Option<String>,
    credentials: Option<SharedCredentialsProvider>,
    tls: Tls,
}

/// Whom to ask, as it was given.
enum Origin {
    Region(String),
    Client(Client),
}

impl DynamoDbBuilder {
    pub(super) fn new(table: &str, region: &str) -> Self {
        Self::with(table, Origin::Region(region.to_owned()))
    }

    pub(super) fn of_client(table: &str, client: &Client) -> Self {
        Self::with(table, Origin::Client(client.clone()))
    }

    fn with(table: &str, origin: Origin) -> Self {
        let limits = Limits { timeout: DynamoDbBackend::TIMEOUT, max_entry: MAX_ITEM, consistent: true };
        let (endpoint, credentials) = (None, None);
        Self { table: table.to_owned(), limits, origin, endpoint, credentials, tls: Tls::default() }
    }

    /// How long a call may take with all that belongs to it: credentials, connecting, the answer. A batch may take
    /// twice as long. 2 s by default.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limits.timeout = limit;
        self
    }

    /// The largest entry in bytes, at most 409,600, which is the default: then the size of an item decides, 400 KB with
    /// its names, its key and its expiry.
    ///
    /// It bounds what is sent and how much of an answer is read. Set it no lower than others who write to the same
    /// table: reading a larger entry is [`Rejected`](crate::BackendErrorKind::Rejected).
    pub fn max_entry(mut self, bytes: usize) -> Self {
        self.limits.max_entry = bytes;
        self
    }

    /// Whether a read sees every write that was answered before it. `true` by default: without it a read may give what
    /// was there about a second ago, a deleted entry or one of an invalidated tag among it, for half the price.
    pub fn consistent_reads(mut self, consistent: bool) -> Self {
        self.limits.consistent = consistent;
        self
    }

    /// Where to send requests, in place of the region's own endpoint: `http://` or `https://`, host and port. For local
    /// servers, VPC endpoints and gateways.
    pub fn endpoint_url(mut self, url: &str) -> Self {
        self.endpoint = Some(url.to_owned());
        self
    }

    /// Where credentials come from, in place of the default chain. An
    /// [`aws_sdk_dynamodb::config::Credentials`] is such a place too.
    pub fn credentials(mut self, provider: impl ProvideCredentials + 'static) -> Self {
        self.credentials = Some(SharedCredentialsProvider::new(provider));
        self
    }

    /// PEM certificates of the CAs to trust, in place of those that the system trusts. They hold for DynamoDB, not for
    /// the services that credentials come from.
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.ca = Some(pem.into());
        self
    }

    /// The certificate chain and the private key to present, both PEM. DynamoDB asks for none; a gateway in front of it
    /// may.
    pub fn client_certificate(mut self, chain_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.tls.client = Some((chain_pem.into(), Zeroizing::new(key_pem.into())));
        self
    }

    /// The backend. Nothing is connected yet, nor are credentials looked for.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if the table's name is not 3 to 255 characters of
    /// `[A-Za-z0-9_.-]`, the region is not one's name, the endpoint is no `http://` or `https://` URL of a host alone or
    /// has a user or password in it, the time limit is zero or more than an hour, the largest entry is less than 116
    /// bytes or more than 409,600, a certificate or key cannot be read, the system has no CA certificates and none are
    /// given, certificates are given for an endpoint without TLS, or certificates, credentials or an endpoint are given
    /// for a client of yours, which has its own.
    pub fn build(self) -> Result<DynamoDbBackend, BackendError> {
        Ok(DynamoDbBackend { link: Arc::new(self.link()?) })
    }

    fn link(self) -> Result<Link, Failure> {
        let Self { table, limits, origin, endpoint, credentials, tls } = self;
        if limits.timeout.is_zero() || limits.timeout > LONGEST {
            return Err(Failure::setting("a time limit of zero or of more than an hour"));
        }
        if !(DynamoDbBackend::MIN_ENTRY..=MAX_ITEM).contains(&limits.max_entry) {
            return Err(Failure::setting("a largest entry of less than 116 or of more than 409,600 bytes"));
        }
        if !is_table(&table) {
            return Err(Failure::setting(
                "a table's name is 3 to 255 characters of A-Z, a-z, 0-9, _, . and -",
            ));
        }
        let region = match origin {
            Origin::Client(_) if tls.is_set() || endpoint.is_some() || credentials.is_some() => {
                return Err(Failure::setting(
                    "certificates, credentials or an endpoint for a client, which has its own",
                ));
            }
            Origin::Client(client) => return Ok(Link::of_client(table, limits, &client)),
            Origin::Region(region) => region,
        };
        if !is_label(&region) {
            return Err(Failure::setting("the region is not the name of one"));
        }
        let connecting = limits.timeout / 2;
        let connections = match endpoint.as_deref().map(scheme).transpose()? {
            Some(Scheme::Http) if tls.is_set() => {
                return Err(Failure::setting("certificates for an endpoint without TLS"));
            }
            Some(Scheme::Http) => Connections::plain(connecting),
            Some(Scheme::Https) | None => {
                let config = tls.config().map_err(Failure::setting)?;
                Connections::tls((*config).clone(), connecting)
            }
        };
        Ok(Link::new(table, limits, Service { region, endpoint, credentials, connections }))
    }
}

enum Scheme {
    Http,
    Https,
}

/// What an endpoint's URL is, if it is one of a host alone.
fn scheme(url: &str) -> Result<Scheme, Failure> {
    let refused = || Failure::setting("the endpoint is not an http:// or https:// URL of a host alone");
    let (scheme, rest) = if let Some(rest) = url.strip_prefix("https://") {
        (Scheme::Https, rest)
    } else if let Some(rest) = url.strip_prefix("http://") {
        (Scheme::Http, rest)
    } else {
        return Err(refused());
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let parsed: hyper::http::uri::Authority = authority.parse().map_err(|_| refused())?;
    let port = authority.strip_prefix(parsed.host()).ok_or_else(refused)?; // refuses what has a user
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    if fits && !parsed.host().is_empty() { Ok(scheme) } else { Err(refused()) }
}

fn is_table(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// Whether it can be a label of a host name.
fn is_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

impl fmt::Debug for DynamoDbBuilder {
    /// Does not show the endpoint, which may be anything yet, nor the credentials or the client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { timeout, max_entry, consistent } = self.limits;
        f.debug_struct("DynamoDbBuilder")
            .field("timeout", &timeout)
            .field("max_entry", &max_entry)
            .field("consistent_reads", &consistent)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::BackendErrorKind;

    fn refused(builder: DynamoDbBuilder) {
        assert!(!format!("{builder:?}").contains("hunter2"));
        let err = builder.build().unwrap_err();
        assert_eq!(err.kind(), BackendErrorKind::Misconfigured);
        assert!(!format!("{err:?}").contains("hunter2"));
    }

    #[test]
    fn settings_that_cannot_work_are_misconfigured() {
        let plain = || DynamoDbBackend::builder("cache", "eu-west-1").endpoint_url("http://localhost:8000");
        let tls = || DynamoDbBackend::builder("cache", "eu-west-1").endpoint_url("https://localhost");
        assert!(plain().build().is_ok());
        assert!(plain().endpoint_url("http://[::1]:65535/").build().is_ok());
        refused(plain().timeout(Duration::ZERO));
        refused(plain().timeout(Duration::MAX));
        refused(plain().max_entry(115));
        refused(plain().max_entry(MAX_ITEM + 1));
        refused(plain().ca_certificates("hunter2"));
        refused(tls().ca_certificates("hunter2"));
        refused(tls().client_certificate("hunter2", "hunter2"));
        for table in ["", "ab", "a b c", "hunter2/", "cafés", &"t".repeat(256)] {
            refused(DynamoDbBackend::builder(table, "eu-west-1"));
        }
        for region in ["", "EU", "a.b", "-a", "hunter2@", "a/b", &"r".repeat(64)] {
            refused(DynamoDbBackend::builder("cache", region));
        }
        for url in [
            "",
            "localhost:8000",
            "redis://localhost",
            "http://",
            "http://u:hunter2@localhost",
            "https://hunter2@localhost",
            "http://localhost/path",
            "http://localhost?hunter2",
            "http://local host",
            "http://:80",
            "http://localhost:65536",
            "http://localhost:port",
            "http://localhost:",
            "http://localhost:+80",
            "http://[::1",
            "http://[::1]x",
        ] {
            refused(plain().endpoint_url(url));
        }
    }

    #[test]
    fn a_client_of_the_callers_has_its_own_endpoint_credentials_and_certificates() {
        use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
        let config = Config::builder().behavior_version(BehaviorVersion::v2026_01_12());
        let client = Client::from_conf(config.region(Region::new("eu-west-1")).build());
        let builder = || DynamoDbBackend::builder_from_client("cache", &client);
        assert!(builder().timeout(LONGEST).build().is_ok());
        refused(builder().endpoint_url("http://localhost:8000"));
        refused(builder().credentials(Credentials::new("AKIAHUNTER", "hunter2", None, None, "hunter")));
        refused(builder().ca_certificates("hunter2"));
    }

    #[test]
    fn debug_shows_the_table_and_nothing_of_the_credentials() {
        use aws_sdk_dynamodb::config::Credentials;
        let secret = Credentials::new("AKIAHUNTER", "hunter2", Some("t0ken-hunter".into()), None, "hunter");
        let builder = DynamoDbBackend::builder("cache", "eu-west-1").endpoint_url("http://localhost:8000");
        let builder = builder.credentials(secret);
        let shown = format!("{builder:?}");
        let backend = builder.build().unwrap();
        let shown = format!("{shown} {backend:?}").to_lowercase();
        assert!(shown.contains("cache") && shown.contains("eu-west-1"));
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
