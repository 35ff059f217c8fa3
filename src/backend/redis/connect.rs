//! One connection to the server: made, greeted, and ended with its last user.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, RedisError, Value, aio::MultiplexedConnection};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::AbortHandle,
};
use tokio_rustls::TlsConnector;

#[cfg(feature = "redis-cluster")]
use super::sentinel;
use super::{
    command::Command,
    error::Failure,
    link::Limits,
    meter::{Meter, Metered},
    request::Request,
    target::{Address, Target},
};
use crate::backend::socket::{self, NotConnected};

/// Most bytes that the answers to a login have: `HELLO` lists the server's modules.
const LOGIN: u64 = 64 * 1024;

/// A connection that the server has answered on.
pub(super) struct Connection {
    client: MultiplexedConnection,
    pub(super) since: Instant,
    /// Whether a sign of life is being waited for.
    pub(super) doubted: AtomicBool,
    /// What may come, and has. The stream of the caller's own client cannot be metered.
    meter: Arc<Meter>,
    max_entry: usize,
    /// The task that reads and writes; the caller's own client keeps its task to itself.
    driver: Option<AbortHandle>,
}

impl Connection {
    pub(super) async fn open(target: &Target, limits: Limits, found_before: bool) -> Result<Self, Failure> {
        #[cfg(feature = "redis-cluster")]
        if let Address::Named(sentinels) = &target.address {
            let found = sentinels.master(&target.access, Instant::now() + limits.connect).await?;
            let master = async {
                let connection = Self::open_at(&found, limits, found_before).await?;
                sentinel::check_role(&connection).await.map(|()| connection)
            };
            return master.await.inspect_err(|_| sentinels.doubt());
        }
        Self::open_at(target, limits, found_before).await
    }

    async fn open_at(target: &Target, limits: Limits, found_before: bool) -> Result<Self, Failure> {
        let connection = match &target.address {
            Address::Tcp { host, port } => {
                Self::start(target, limits, tcp(host, *port, limits.connect, found_before).await?).await?
            }
            Address::Tls { host, port, name, config } => {
                let stream = tcp(host, *port, limits.connect, found_before).await?;
                let connector = TlsConnector::from(config.clone());
                let stream = connector.connect(name.clone(), stream).await.map_err(Failure::io)?;
                Self::start(target, limits, stream).await?
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await.map_err(Failure::io)?;
                Self::start(target, limits, stream).await?
            }
            #[cfg(not(unix))]
            Address::Unix(_) => return Err(Failure::setting("this system has no unix sockets")),
            #[cfg(feature = "redis-cluster")]
            Address::Named(_) => return Err(Failure::setting("a server of a server")),
            Address::Client(client) => {
                let client = client.get_multiplexed_async_connection_with_config(&config()).await;
                let client = client.map_err(|err| Failure::client(&err))?;
                Self::new(client, limits, Arc::default(), None)
            }
        };
        connection.greet(target).await?;
        Ok(connection)
    }

    /// Logs in, and starts the task that reads and writes.
    async fn start<S>(target: &Target, limits: Limits, stream: S) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let meter = Arc::<Meter>::default();
        let stream = Metered::new(stream, meter.clone());
        let ticket = meter.grant(LOGIN);
        let (client, driver) = MultiplexedConnection::new_with_config(&target.access.login, stream, config())
            .await
            .map_err(|err| failure(&meter, &err))?;
        ticket.answered(u64::MAX); // the client keeps nothing of it
        let driver = tokio::spawn(driver).abort_handle();
        Ok(Self::new(client, limits, meter, Some(driver)))
    }

    fn new(
        client: MultiplexedConnection,
        limits: Limits,
        meter: Arc<Meter>,
        driver: Option<AbortHandle>,
    ) -> Self {
        let (since, doubted) = (Instant::now(), AtomicBool::new(false));
        Self { client, since, doubted, meter, max_entry: limits.max_entry, driver }
    }

    /// Sends the request and waits for the answer, which may be one of the server's errors.
    pub(super) async fn ask(&self, request: &Request) -> Result<Value, Failure> {
        let ticket = self.meter.grant(request.largest_answer(self.max_entry));
        match request.send(self.client.clone()).await {
            Ok(answer) => {
                ticket.answered(request.size_of(&answer));
                Ok(answer)
            }
            Err(err) => Err(failure(&self.meter, &err)),
        }
    }

    /// Waits for one answer to a command: without it, a proxy with no server behind it could look like a connection.
    async fn greet(&self, target: &Target) -> Result<(), Failure> {
        let select = target.access.db != 0 && self.driver.is_some();
        let command = if select { Command::select(target.access.db) } else { Command::ping() };
        match self.ask(&Request::one(command)).await? {
            Value::ServerError(err) => match Failure::server(&err) {
                failure if select || failure.spoils_connection() => Err(failure),
                _ => Ok(()), // an answer all the same: what it means for a command, the command will say
            },
            _ => Ok(()),
        }
    }

    /// Whether the task is still there, which ends with the connection and with its runtime, and nothing speaks against
    /// another call.
    pub(super) fn is_alive(&self) -> bool {
        let runs = self.driver.as_ref().is_none_or(|driver| !driver.is_finished());
        runs && !self.meter.is_flooded() && !self.meter.is_spent()
    }

    /// Whether answers may still come that nobody waits for.
    pub(super) fn has_dropped(&self) -> bool {
        self.meter.has_dropped()
    }
}

impl Drop for Connection {
    /// The task would wait for answers that nobody wants any more.
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

/// Why the client gave no answer: of a flood it tells only one of those who wait.
fn failure(meter: &Meter, err: &RedisError) -> Failure {
    if meter.is_flooded() { Failure::flood() } else { Failure::client(err) }
}

/// The limits are ours, so the client has none.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}

async fn tcp(host: &str, port: u16, limit: Duration, found_before: bool) -> Result<TcpStream, Failure> {
    socket::connect(host, port, limit).await.map_err(|err| match err {
        NotConnected::Lookup(err) => Failure::lookup(err, found_before),
        NotConnected::Io(err) => Failure::io(err),
    })
}
