//! What a node answers that does not serve a name, or not all of it.

use redis::Value;

use super::map::{Endpoint, resolve};

/// Where to ask instead, by "MOVED and ASK redirection" of the Redis Cluster specification.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// This node serves the slot from now on.
    Moved(Endpoint),
    /// The slot is on its way to this node: this name is there already.
    Ask(Endpoint),
    /// The same node, in a moment.
    TryAgain,
}

impl Redirect {
    /// From an answer of the node at `host`.
    pub(super) fn read(answer: &Value, host: &str) -> Option<Self> {
        let Value::ServerError(err) = answer else {
            return None;
        };
        match err.code() {
            "MOVED" => target(err.details()?, host).map(Self::Moved),
            "ASK" => target(err.details()?, host).map(Self::Ask),
            "TRYAGAIN" => Some(Self::TryAgain),
            _ => None,
        }
    }
}

/// Of `3999 127.0.0.1:6381`; the host may be missing, and may be an IPv6 address.
fn target(details: &str, host: &str) -> Option<Endpoint> {
    let (name, port) = details.split(' ').nth(1)?.rsplit_once(':')?;
    resolve(name, port.parse().ok()?, host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &str) -> Option<Redirect> {
        Redirect::read(&redis::parse_redis_value(reply.as_bytes()).unwrap(), "here")
    }

    #[test]
    fn redirects_are_read() {
        let at = |host: &str, port| (host.to_owned(), port);
        assert_eq!(read("-MOVED 3999 10.0.0.1:6381\r\n"), Some(Redirect::Moved(at("10.0.0.1", 6381))));
        assert_eq!(read("-MOVED 3999 :6381\r\n"), Some(Redirect::Moved(at("here", 6381))));
        assert_eq!(read("-ASK 3999 2001:db8::1:6381\r\n"), Some(Redirect::Ask(at("2001:db8::1", 6381))));
        assert_eq!(read("-TRYAGAIN Multiple keys\r\n"), Some(Redirect::TryAgain));
        for other in [
            "-MOVED\r\n",
            "-MOVED 3999\r\n",
            "-MOVED 3999 host\r\n",
            "-MOVED 3999 host:99999\r\n",
            "-MOVED 3999 host:0\r\n",
            "-MOVED 3999 ?:6381\r\n",
            "-CLUSTERDOWN The cluster is down\r\n",
            "+MOVED 3999 10.0.0.1:6381\r\n",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
