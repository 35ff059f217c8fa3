//! How to get in, wherever the server is.

use std::{path::PathBuf, sync::Arc};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use rustls::ClientConfig;

use super::{
    error::Failure,
    target::{Address, Target},
};

/// How to get in, wherever the server is.
#[derive(Clone)]
pub(super) struct Access {
    tls: Option<Arc<ClientConfig>>,
    /// Its database number is 0: [`Access::db`] is selected by a command of ours, whose error is then seen.
    pub(super) login: RedisConnectionInfo,
    pub(super) db: i64,
}

/// Where a server was said to be.
pub(super) enum Place {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Access {
    /// The client's own parser knows TLS only with its TLS features, so it gets to see the URL without the `s`.
    pub(super) fn parse(
        url: &str,
        tls: impl FnOnce() -> Result<Arc<ClientConfig>, Failure>,
    ) -> Result<(Place, Self), Failure> {
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
        let place = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Place::Tcp(host.clone(), *port),
            ConnectionAddr::Unix(path) => Place::Unix(path.clone()),
            _ => return Err(Failure::setting("an address of an unknown kind")),
        };
        let tls = if secure { Some(tls()?) } else { None };
        Ok((place, Self { tls, ..Self::ours(&info) }))
    }

    /// That of a client which logs in by itself.
    pub(super) fn of(info: &ConnectionInfo) -> Self {
        let login = info.redis_settings().clone();
        Self { tls: None, db: login.db(), login }
    }

    fn ours(info: &ConnectionInfo) -> Self {
        let Self { tls, login, db } = Self::of(info);
        // With a name to tell, each login has an answer to read, and with it why a server refuses our certificate:
        // in TLS 1.3 it says so after the handshake. Instead of our version it gets the one of the format.
        Self { tls, login: login.set_db(0).set_lib_name("blindcache", "1"), db }
    }

    pub(super) fn target(&self, place: Place) -> Result<Target, Failure> {
        match place {
            Place::Tcp(host, port) => self.at(host, port),
            Place::Unix(path) => Ok(self.to(Address::Unix(path))),
        }
    }

    /// The server at this host and port.
    pub(super) fn at(&self, host: String, port: u16) -> Result<Target, Failure> {
        let address = match &self.tls {
            Some(config) => Address::tls(host, port, config.clone())?,
            None => Address::Tcp { host, port },
        };
        Ok(self.to(address))
    }

    fn to(&self, address: Address) -> Target {
        Target { address, access: self.clone() }
    }
}

#[cfg(feature = "redis-cluster")]
impl Access {
    /// The name of a service, and what a URL says that has it for a host; or the name alone.
    pub(super) fn to_service(
        url: &str,
        tls: impl FnOnce() -> Result<Arc<ClientConfig>, Failure>,
    ) -> Result<(String, Self), Failure> {
        if url.contains("://") {
            return match Self::parse(url, tls)? {
                (Place::Tcp(name, _), access) => Ok((name, access)),
                (Place::Unix(_), _) => Err(Failure::setting("a unix: URL in place of a service's name")),
            };
        }
        // Sentinel knows no other names: and what is a URL by mistake is not echoed as a name.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if url.is_empty() || !url.bytes().all(fits) {
            return Err(Failure::setting("not the name of a service"));
        }
        let (_, access) = Self::parse("redis://service", tls)?;
        Ok((url.to_owned(), access))
    }

    /// Whether whoever gets in by one gets in by the other.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let login = |access: &Self| {
            let login = &access.login;
            (
                login.username().map(str::to_owned),
                login.password().map(str::to_owned),
                login.protocol(),
                access.db,
            )
        };
        self.tls.is_some() == other.tls.is_some() && login(self) == login(other)
    }

    /// What the settings of a client say, for a connection of ours.
    pub(super) fn described(
        info: &ConnectionInfo,
        tls: impl FnOnce() -> Result<Arc<ClientConfig>, Failure>,
    ) -> Result<(String, u16, Self), Failure> {
        let (host, port, tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (host, port, None),
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None } => {
                (host, port, Some(tls()?))
            }
            ConnectionAddr::TcpTls { .. } => {
                return Err(Failure::setting(
                    "a client's own certificates: give them to the builder instead",
                ));
            }
            _ => return Err(Failure::setting("a client of what is not a host and a port")),
        };
        Ok((host.clone(), *port, Self { tls, ..Self::ours(info) }))
    }
}
