//! Where servers are: the URL.

use std::{fmt, net::Ipv6Addr, path::PathBuf, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};

use super::error::Failure;

/// The port where none is given.
const PORT: u16 = 11211;

/// A server.
pub(super) struct Address {
    /// `host:port`, or the path of the socket: by this the ring knows it.
    pub(super) name: String,
    pub(super) way: Way,
}

pub(super) enum Way {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, server: ServerName<'static>, config: Arc<ClientConfig> },
    Unix(PathBuf),
}

/// What stands before the servers, in either spelling.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Tcp,
    Tls,
    Unix,
}

impl Address {
    /// Every server of a URL: `memcache://host[:port],…`, and the same with `+tls` or `+unix`.
    pub(super) fn parse(
        url: &str,
        tls: impl FnOnce() -> Result<Arc<ClientConfig>, Failure>,
    ) -> Result<Vec<Self>, Failure> {
        let (scheme, list) = scheme(url)?;
        if list.contains('@') {
            return Err(Failure::setting("a login in the URL: logins, SASL among them, are not supported"));
        }
        let config = if scheme == Scheme::Tls { Some(tls()?) } else { None };
        let list = if scheme == Scheme::Unix { list } else { list.strip_suffix('/').unwrap_or(list) };
        let mut found: Vec<Self> = Vec::new();
        for text in list.split(',') {
            let address = Self::one(scheme, text, config.clone())?;
            if found.iter().any(|other| other.name == address.name) {
                return Err(Failure::setting("a server stands twice in the URL"));
            }
            found.push(address);
        }
        Ok(found)
    }

    fn one(scheme: Scheme, text: &str, config: Option<Arc<ClientConfig>>) -> Result<Self, Failure> {
        if scheme == Scheme::Unix {
            if !text.starts_with('/') {
                return Err(Failure::setting("the path of a socket begins with '/'"));
            }
            return Ok(Self { name: text.to_owned(), way: Way::Unix(text.into()) });
        }
        let (host, port) = host_and_port(text).ok_or_else(|| Failure::setting("not a host and a port"))?;
        let name = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let way = match config {
            None => Way::Tcp { host, port },
            Some(config) => {
                let server = ServerName::try_from(host.clone())
                    .map_err(|_| Failure::setting("the host is not a name that a certificate can hold"))?;
                Way::Tls { host, port, server, config }
            }
        };
        Ok(Self { name, way })
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.way, Way::Tls { .. })
    }
}

/// The scheme of a URL, and what follows it.
fn scheme(url: &str) -> Result<(Scheme, &str), Failure> {
    let unknown = || Failure::setting("not a memcache://, memcache+tls:// or memcache+unix:// URL");
    let (scheme, list) = url.split_once("://").ok_or_else(unknown)?;
    let scheme = match scheme {
        "memcache" | "memcached" => Scheme::Tcp,
        "memcache+tls" | "memcached+tls" => Scheme::Tls,
        "memcache+unix" | "memcached+unix" => Scheme::Unix,
        _ => return Err(unknown()),
    };
    Ok((scheme, list))
}

/// `host`, `host:port`, `[address]` or `[address]:port`, the host in lower case and without brackets.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host.parse::<Ipv6Addr>().ok()?.to_string(), port)
        }
        None => {
            let at = text.find(':').unwrap_or(text.len());
            (text[..at].to_ascii_lowercase(), &text[at..])
        }
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return None;
    }
    match port {
        "" => Some((host, PORT)),
        port => {
            let digits = port.strip_prefix(':')?;
            let port = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
            (port > 0).then_some((host, port))
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match &self.way {
            Way::Tcp { .. } => "memcache",
            Way::Tls { .. } => "memcache+tls",
            Way::Unix(_) => "memcache+unix",
        };
        write!(f, "{scheme}://{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::tls::Tls,
        error::{BackendError, BackendErrorKind},
    };

    fn parse(url: &str) -> Result<Vec<Address>, Failure> {
        Address::parse(url, || Tls::default().config().map_err(Failure::setting))
    }

    #[test]
    fn every_form_of_a_url_is_read() {
        for (url, shown) in [
            ("memcache://localhost", "[memcache://localhost:11211]"),
            ("memcached://A.example:7000/", "[memcache://a.example:7000]"),
            (
                "memcache://a,b:7000,[::1],[0:0::2]:7000",
                "[memcache://a:11211, memcache://b:7000, memcache://[::1]:11211, memcache://[::2]:7000]",
            ),
            ("memcached+tls://10.0.0.1,b", "[memcache+tls://10.0.0.1:11211, memcache+tls://b:11211]"),
            (
                "memcache+unix:///run/a.sock,/run/b.sock",
                "[memcache+unix:///run/a.sock, memcache+unix:///run/b.sock]",
            ),
        ] {
            assert_eq!(format!("{:?}", parse(url).unwrap()), shown);
        }
    }

    #[test]
    fn bad_url_is_misconfigured_and_not_echoed() {
        for url in [
            "",
            "hunter2",
            "hunter2:11211",
            "http://hunter2",
            "memcache://",
            "memcache:///",
            "memcache://user:hunter2@host",
            "memcache://hunter2,",
            "memcache://hunter2,HUNTER2:11211",
            "memcache://hunter2:0",
            "memcache://hunter2:99999",
            "memcache://hunter2:+1",
            "memcache://hunter2:1:2",
            "memcache://[hunter2]",
            "memcache://[::1]hunter2",
            "memcache://hunter2/1",
            "memcache://hunter2?timeout=1",
            "memcache://hunter2#1",
            "memcache+unix://hunter2",
            "memcache+tls://hunter2.-",
            "memcache+udp://hunter2",
        ] {
            let err = BackendError::from(parse(url).unwrap_err());
            assert_eq!(err.kind(), BackendErrorKind::Misconfigured, "{url}");
            assert!(!format!("{err:?} {err}").to_lowercase().contains("hunter2"), "{url}");
        }
    }
}
