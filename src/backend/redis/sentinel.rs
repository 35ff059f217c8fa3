//! Sentinels: they say at which address the master of a service is, and are asked again for each connection.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

use redis::Value;

use super::{
    RedisBackend, RedisBuilder,
    access::Access,
    command::Command,
    connect::Connection,
    error::Failure,
    link::{Limits, Link, left},
    request::Request,
    target::Target,
};
use crate::error::BackendError;

/// Most bytes that a sentinel's answer has, and that of a master to `ROLE`, which lists its replicas.
const ANSWER: u64 = 64 * 1024;

/// The sentinels that know a service. The one that answered last is asked first.
pub(super) struct Sentinels {
    service: String,
    links: Vec<Link>,
    first: AtomicUsize,
}

/// Redis behind Sentinel: the master of a service, wherever it is.
///
/// Each attempt to connect asks the sentinels, one after the other until one answers, and takes the server that it names
/// only if that says of itself that it is a master. When the connection is lost, when calls on it time out, and when the
/// server has become a replica, the next attempt asks again. So after a failover calls succeed by themselves, about as
/// soon as the sentinels agree on the new master. During a failover calls fail within their limits.
///
/// All of an attempt happens within the [connect limit](RedisBuilder::connect_timeout): a sentinel that does not answer
/// costs a part of it, once.
///
/// Who answers for a sentinel, or sits on the wire to it, decides where the master's login is sent. Use TLS to the
/// sentinels too, and [a CA of your own](RedisBuilder::ca_certificates): with the system's, any server with a public
/// certificate for the name that it is called by would do.
impl RedisBackend {
    /// The master of a service, found through these sentinels, with the limits of 1 s. Nothing is connected yet.
    ///
    /// The service is a name, such as `mymaster`; or, where the master wants a login, another database than 0 or TLS, a
    /// [URL](Self::new) whose host is that name, such as `rediss://user:password@mymaster/2`. Each sentinel is a URL: its
    /// login is the sentinel's own, and its port is 6379 unless it says 26379.
    ///
    /// ```
    /// # fn example() -> Result<(), blindcache::BackendError> {
    /// use blindcache::RedisBackend;
    ///
    /// let sentinels = ["redis://s1.example:26379", "redis://s2.example:26379", "redis://s3.example:26379"];
    /// let redis = RedisBackend::sentinel("redis://app:secret@mymaster", sentinels)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The user needs the command `ROLE` on the master, and `SENTINEL GET-MASTER-ADDR-BY-NAME` on the sentinels. What was
    /// written last before a failover may be lost with the old master, or come back as it was before: Redis replicates
    /// after it answers.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::BackendErrorKind::Misconfigured) if there are no sentinels, a URL cannot be read, or the
    /// system has no CA certificates where TLS is asked for. No URL is echoed.
    pub fn sentinel(
        service: &str,
        sentinels: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, BackendError> {
        Self::sentinel_builder(service, sentinels).build()
    }

    /// The same, with settings. Certificates are for the sentinels and for the master.
    pub fn sentinel_builder(
        service: &str,
        sentinels: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> RedisBuilder {
        RedisBuilder::sentinel(service, sentinels)
    }

    /// The same, where the sentinels are those of clients of yours: their addresses and logins, over connections of this
    /// backend's own.
    pub fn sentinel_builder_from_clients(service: &str, sentinels: &[redis::Client]) -> RedisBuilder {
        RedisBuilder::sentinel_from_clients(service, sentinels)
    }
}

impl Sentinels {
    pub(super) fn new(service: String, targets: Vec<Target>, limits: Limits) -> Result<Self, Failure> {
        if targets.is_empty() {
            return Err(Failure::setting("no sentinels"));
        }
        if targets.iter().any(|target| target.endpoint().is_none() || target.access.db != 0) {
            return Err(Failure::setting("a sentinel is a host and a port, without a database"));
        }
        let links = targets.into_iter().map(|target| Link::new(target, limits)).collect();
        Ok(Self { service, links, first: AtomicUsize::new(0) })
    }

    /// The master as a server to connect to, as the first sentinel says that knows one.
    pub(super) async fn master(&self, access: &Access, deadline: Instant) -> Result<Target, Failure> {
        let (count, first) = (self.links.len(), self.first.load(Relaxed));
        let mut why = None;
        for asked in 0..count {
            let at = (first + asked) % count;
            // One that hangs leaves enough time for the others, and for the master.
            let share = left(deadline) / (count - asked + 1) as u32;
            match self.ask(&self.links[at], Instant::now() + share).await {
                Ok((host, port)) => {
                    self.first.store(at, Relaxed);
                    return access.at(host, port);
                }
                Err(failure) => why = Some(Failure::more_telling(why, failure)),
            }
        }
        self.doubt();
        Err(why.unwrap_or_else(Failure::no_connection))
    }

    /// Asks another first from now on: what the first one said led nowhere.
    pub(super) fn doubt(&self) {
        self.first.store((self.first.load(Relaxed) + 1) % self.links.len(), Relaxed);
    }

    async fn ask(&self, link: &Link, deadline: Instant) -> Result<(String, u16), Failure> {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", &self.service];
        let request = Request::one(Command::of_words(&words, ANSWER));
        let answer = link.exchange(&request, deadline).await;
        link.rest(); // until the next failover
        let answer = answer?;
        match request.refusal(&answer) {
            None => address(answer),
            Some(failure) => Err(failure),
        }
    }
}

/// The answer: a host and a port, or nil where the service is not known.
pub(super) fn address(answer: Value) -> Result<(String, u16), Failure> {
    let parts = match answer {
        Value::Nil => return Err(Failure::setting("a sentinel does not know the service")),
        Value::Array(parts) => parts,
        _ => return Err(Failure::unexpected()),
    };
    match &*parts {
        [Value::BulkString(host), Value::BulkString(port)] => {
            let host = String::from_utf8(host.clone()).ok().filter(|host| !host.is_empty());
            let port = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
            host.zip(port).ok_or_else(Failure::unexpected)
        }
        _ => Err(Failure::unexpected()),
    }
}

/// Whether the server at the other end says that it is a master. A sentinel may be late to know that it no longer is.
pub(super) async fn check_role(connection: &Connection) -> Result<(), Failure> {
    let request = Request::one(Command::of_words(&["ROLE"], ANSWER));
    let answer = connection.ask(&request).await?;
    if let Some(failure) = request.refusal(&answer) {
        return Err(failure);
    }
    role(&answer)
}

/// The answer to `ROLE` of a master.
pub(super) fn role(answer: &Value) -> Result<(), Failure> {
    match answer {
        Value::Array(parts) => match parts.first() {
            Some(Value::BulkString(role)) if role == b"master" => Ok(()),
            Some(Value::BulkString(_)) => Err(Failure::no_master()),
            _ => Err(Failure::unexpected()),
        },
        _ => Err(Failure::unexpected()),
    }
}

impl fmt::Debug for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of ", self.service)?;
        f.debug_list().entries(self.links.iter().map(Link::target)).finish()
    }
}
