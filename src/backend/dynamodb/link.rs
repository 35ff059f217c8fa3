//! The SDK's client, made at the first call, and the time that a call may take.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::{
    Client,
    config::{
        self, IdentityCache, Region, SharedCredentialsProvider, SharedHttpClient,
        StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use tokio::{
    runtime::Handle,
    sync::OnceCell,
    time::{Instant, timeout},
};

use super::{connector::Connections, error::Failure};

/// How often, at most, credentials are looked for again after they were refused.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How much more time a batch has than a call.
pub(super) const BATCH: u32 = 2;

/// Whom to ask, and within what.
pub(super) struct Link {
    pub(super) table: String,
    pub(super) limits: Limits,
    source: Source,
    /// Whether the host answered before.
    reached: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    pub(super) max_entry: usize,
    pub(super) consistent: bool,
}

/// Where the client comes from.
enum Source {
    Caller(Client),
    Own(Service, Mutex<Made>),
}

/// A client of our own, once it is made.
struct Made {
    client: Arc<OnceCell<Client>>,
    since: Instant,
}

impl Made {
    fn not_yet() -> Self {
        Self { client: Arc::default(), since: Instant::now() }
    }
}

/// What a client of our own is made of.
pub(super) struct Service {
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
    pub(super) credentials: Option<SharedCredentialsProvider>,
    pub(super) connections: Connections,
}

impl Link {
    pub(super) fn new(table: String, limits: Limits, service: Service) -> Self {
        let source = Source::Own(service, Mutex::new(Made::not_yet()));
        Self { table, limits, source, reached: AtomicBool::new(false) }
    }

    pub(super) fn of_client(table: String, limits: Limits, client: &Client) -> Self {
        let source = Source::Caller(Client::from_conf(quiet(client.config().to_builder()).build()));
        Self { table, limits, source, reached: AtomicBool::new(false) }
    }

    /// The client. The first call makes one of our own, from the environment and the files of the AWS configuration.
    pub(super) async fn client(&self) -> Client {
        match &self.source {
            Source::Caller(client) => client.clone(),
            Source::Own(service, made) => {
                let cell = lock(made).client.clone();
                cell.get_or_init(|| Box::pin(service.client(self.limits.timeout))).await.clone()
            }
        }
    }

    /// Lets the next call make another client, with the credentials of then: one client looks into its files once.
    fn look_for_credentials_again(&self) {
        if let Source::Own(_, made) = &self.source {
            let mut made = lock(made);
            if made.since.elapsed() >= LOOK_AGAIN {
                *made = Made::not_yet();
            }
        }
    }

    /// The region and the endpoint, if it is not the caller's client that knows them.
    pub(super) fn place(&self) -> Option<(&str, Option<&str>)> {
        match &self.source {
            Source::Caller(_) => None,
            Source::Own(service, _) => Some((&service.region, service.endpoint.as_deref())),
        }
    }

    /// What the call gives, within the limit for one or, `times` as long, for a batch.
    pub(super) async fn within<T>(
        &self,
        times: u32,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        Handle::try_current().map_err(|_| Failure::no_runtime())?;
        let limit = self.limits.timeout.saturating_mul(times);
        // On the heap: what the SDK keeps for a call is many KB, and callers have stacks of 2 MiB.
        let watched = Box::pin(async {
            let watch = Watch { link: self, since: Instant::now(), is_done: false };
            let result = call.await;
            watch.done();
            result
        });
        let result = timeout(limit, watched).await.unwrap_or_else(|_| Err(Failure::no_answer()));
        if result.as_ref().is_err_and(Failure::wants_credentials) {
            self.look_for_credentials_again();
        }
        if result.as_ref().map_or_else(Failure::is_answer, |_| true) {
            self.reached.store(true, Relaxed);
        }
        result.map_err(|failure| if self.reached.load(Relaxed) { failure.known_host() } else { failure })
    }
}

impl Service {
    async fn client(&self, limit: Duration) -> Client {
        let mut loader =
            aws_config::defaults(BehaviorVersion::v2026_01_12()).region(Region::new(self.region.clone()));
        if let Some(credentials) = &self.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        let mut builder = config::Builder::from(&loader.load().await);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        // The credentials' own limit ends before the call's, so that what is wrong is told.
        let identity = IdentityCache::lazy().load_timeout(limit.mul_f64(0.8)).build();
        let connections = SharedHttpClient::new(self.connections.clone());
        Client::from_conf(quiet(builder.identity_cache(identity).http_client(connections)).build())
    }
}

/// Without retries and time limits of the SDK's own: the layers retry, and the call has its limit.
fn quiet(builder: config::Builder) -> config::Builder {
    builder
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

fn lock(made: &Mutex<Made>) -> MutexGuard<'_, Made> {
    made.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sees a call end, or being dropped.
struct Watch<'a> {
    link: &'a Link,
    since: Instant,
    is_done: bool,
}

impl Watch<'_> {
    fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Watch<'_> {
    /// After a call that waited in vain, whoever gave it up, the next ones have other connections.
    fn drop(&mut self) {
        if let Source::Own(service, _) = &self.link.source
            && !self.is_done
            && self.since.elapsed() >= self.link.limits.timeout / 2
        {
            service.connections.renew();
        }
    }
}
