//! Where to connect, and as whom.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};

#[cfg(feature = "redis-cluster")]
use super::sentinel::Sentinels;
use super::{access::Access, error::Failure};
use crate::backend::socket;

/// A server, and how to get in there.
pub(super) struct Target {
    pub(super) address: Address,
    pub(super) access: Access,
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
    /// Whatever server these name.
    #[cfg(feature = "redis-cluster")]
    Named(Sentinels),
}

impl Target {
    /// Reads `redis://`, `rediss://`, `unix:` and their spellings with `valkey`.
    pub(super) fn parse(
        url: &str,
        tls: impl FnOnce() -> Result<Arc<ClientConfig>, Failure>,
    ) -> Result<Self, Failure> {
        let (place, access) = Access::parse(url, tls)?;
        access.target(place)
    }

    /// The server that this client connects to; only what TCP should do is set here.
    pub(super) fn client(client: &redis::Client) -> Result<Self, Failure> {
        let info = client.get_connection_info().clone();
        let access = Access::of(&info);
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let tcp = if tcp.keepalive().is_some() { tcp } else { tcp.set_keepalive(socket::keepalive()) };
        let client = redis::Client::open(info.set_tcp_settings(tcp)).map_err(|err| Failure::client(&err))?;
        Ok(Self { address: Address::Client(client), access })
    }
}

#[cfg(feature = "redis-cluster")]
impl Target {
    /// The server that the settings of this client describe, over a connection of ours.
    pub(super) fn described(
        client: &redis::Client,
        tls: impl FnOnce() -> Result<Arc<ClientConfig>, Failure>,
    ) -> Result<Self, Failure> {
        let (host, port, access) = Access::described(client.get_connection_info(), tls)?;
        access.at(host, port)
    }

    /// Its host and port, where it has them.
    pub(super) fn endpoint(&self) -> Option<(&str, u16)> {
        match &self.address {
            Address::Tcp { host, port } | Address::Tls { host, port, .. } => Some((host, *port)),
            _ => None,
        }
    }
}

impl Address {
    pub(super) fn tls(host: String, port: u16, config: Arc<ClientConfig>) -> Result<Self, Failure> {
        let name = ServerName::try_from(host.clone())
            .map_err(|_| Failure::setting("the host is not a name that a certificate can hold"))?;
        Ok(Self::Tls { host, port, name, config })
    }
}

impl fmt::Debug for Target {
    /// Shows the address and the database number, and nothing of the login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let db = self.access.db;
        match &self.address {
            Address::Tcp { host, port } => write!(f, "redis://{host}:{port}/{db}"),
            Address::Tls { host, port, .. } => write!(f, "rediss://{host}:{port}/{db}"),
            Address::Unix(path) => write!(f, "unix:{}?db={db}", path.display()),
            Address::Client(client) => write!(f, "client of {}/{db}", client.get_connection_info().addr()),
            #[cfg(feature = "redis-cluster")]
            Address::Named(sentinels) => write!(f, "master {sentinels:?}, database {db}"),
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
