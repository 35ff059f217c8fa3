//! Where to connect, and as whom.

use std::{fmt, path::PathBuf, sync::Arc};

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use rustls::{ClientConfig, pki_types::ServerName};

use super::error::Failure;
use crate::backend::socket;

/// A server, and the login for it.
pub(super) struct Target {
    pub(super) address: Address,
    /// Its database number is 0: [`Target::db`] is selected by a command of ours, whose error is then seen.
    pub(super) login: RedisConnectionInfo,
    pub(super) db: i64,
}

pub(super) enum Address {
    Tcp {
        host: String,
        port: u16,
    },
    Tls {
        host: String,
        port: u16,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
    },
    Unix(PathBuf),
    /// The caller's own client, which connects and logs in by itself.
    Client(redis::Client),
}

impl Target {
    /// Reads `redis://`, `rediss://`, `unix:` and their spellings with `valkey`.
    ///
    /// The client's own parser knows TLS only with its TLS features, so it gets to see the URL without the `s`.
    pub(super) fn parse(
        url: &str,
        tls: impl FnOnce() -> Result<Arc<ClientConfig>, Failure>,
    ) -> Result<Self, Failure> {
        let mut url = redis::parse_redis_url(url)
            .ok_or_else(|| Failure::setting("not a redis://, rediss:// or unix: URL"))?;
        match url.fragment() {
            None => {}
            Some("insecure") => {
                return Err(Failure::setting("#insecure is not supported: give the server's CA instead"));
            }
            Some(_) => return Err(Failure::setting("a URL with '#': write it as %23 in a password")),
        }
        let secure = matches!(url.scheme(), "rediss" | "valkeys");
        if secure && url.set_scheme("redis").is_err() {
            return Err(Failure::setting("not a rediss:// URL"));
        }
        // The error would quote the URL.
        let info = url.into_connection_info().map_err(|_| Failure::setting("not a valid Redis URL"))?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) if secure => Address::tls(host, *port, tls()?)?,
            ConnectionAddr::Tcp(host, port) => Address::Tcp { host: host.clone(), port: *port },
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return Err(Failure::setting("an address of an unknown kind")),
        };
        let (db, login) = (info.redis_settings().db(), info.redis_settings().clone());
        // With a name to tell, each login has an answer to read, and with it why a server refuses our certificate:
        // in TLS 1.3 it says so after the handshake. Instead of our version it gets the one of the format.
        Ok(Self { address, login: login.set_db(0).set_lib_name("blindcache", "1"), db })
    }

    /// The server that this client connects to; only what TCP should do is set here.
    pub(super) fn client(client: &redis::Client) -> Result<Self, Failure> {
        let info = client.get_connection_info().clone();
        let login = info.redis_settings().clone();
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let tcp = if tcp.keepalive().is_some() { tcp } else { tcp.set_keepalive(socket::keepalive()) };
        let client = redis::Client::open(info.set_tcp_settings(tcp)).map_err(|err| Failure::client(&err))?;
        Ok(Self { address: Address::Client(client), db: login.db(), login })
    }
}

impl Address {
    fn tls(host: &str, port: u16, config: Arc<ClientConfig>) -> Result<Self, Failure> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Failure::setting("the host is not a name that a certificate can hold"))?;
        Ok(Self::Tls { host: host.to_owned(), port, name, config })
    }
}

impl fmt::Debug for Target {
    /// Shows the address and the database number, and nothing of the login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let db = self.db;
        match &self.address {
            Address::Tcp { host, port } => write!(f, "redis://{host}:{port}/{db}"),
            Address::Tls { host, port, .. } => write!(f, "rediss://{host}:{port}/{db}"),
            Address::Unix(path) => write!(f, "unix:{}?db={db}", path.display()),
            Address::Client(client) => write!(f, "client of {}/{db}", client.get_connection_info().addr()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{BackendError, BackendErrorKind};

    fn parse(url: &str) -> Result<Target, Failure> {
        Target::parse(url, || Ok(crate::backend::tls::Tls::default().config().unwrap()))
    }

    #[test]
    fn every_spelling_of_a_url_is_read() {
        for (url, shown) in [
            ("redis://localhost", "redis://localhost:6379/0"),
            ("valkey://user:hunter2@localhost:7000/3", "redis://localhost:7000/3"),
            ("redis://:hunter2@[::1]:7000/?protocol=resp3", "redis://::1:7000/0"),
            ("unix:///run/redis.sock?db=2&user=u&pass=hunter2", "unix:/run/redis.sock?db=2"),
            ("unix:/run/redis.sock", "unix:/run/redis.sock?db=0"),
        ] {
            assert_eq!(format!("{:?}", parse(url).unwrap()), shown);
        }
    }

    #[test]
    fn bad_url_is_misconfigured_and_not_echoed() {
        for url in [
            "",
            "hunter2",
            "http://u:hunter2@host",
            "redis://u:hunter2@",
            "redis://u:hunter2@host:99999",
            "redis://u:hunter2@host/db",
            "redis://u:hunter2@host/?protocol=hunter2",
            "redis://u:hunter2#more@host",
            "rediss://u:hunter2@host/#insecure",
            "redis://u:hunter2@host/#insecure",
            "redis://u:hunter2@0.0.0.0",
        ] {
            let err = BackendError::from(parse(url).unwrap_err());
            assert_eq!(err.kind(), BackendErrorKind::Misconfigured, "{url}");
            assert!(!format!("{err:?} {err}").contains("hunter2"), "{url}");
        }
    }
}
