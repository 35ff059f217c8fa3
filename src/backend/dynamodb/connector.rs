//! How requests reach the service: HTTP/1.1 over connections that are kept, by the same TLS as every backend.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use aws_sdk_dynamodb::{
    config::{HttpClient, RuntimeComponents, http::HttpRequest, http::HttpResponse},
    error::{BoxError, ConnectorError},
};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_types::body::SdkBody;
use hyper::Uri;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector as Tcp},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;
use tower_service::Service;

/// How long a connection that no call uses is kept: less than what lies between usually keeps it.
const IDLE: Duration = Duration::from_secs(20);
/// When the kernel begins to ask whether the other side of a silent connection is still there, and how often.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The connections of a backend, until they are [renewed](Self::renew). Clones share them.
#[derive(Clone)]
pub(super) struct Connections(Arc<Pool>);

struct Pool {
    make: Box<dyn Fn() -> SharedHttpConnector + Send + Sync>,
    current: Mutex<SharedHttpConnector>,
}

impl Connections {
    /// Without TLS.
    pub(super) fn plain(connecting: Duration) -> Self {
        Self::by(move || InTime { connector: tcp(connecting), limit: connecting })
    }

    pub(super) fn tls(config: rustls::ClientConfig, connecting: Duration) -> Self {
        Self::by(move || {
            let builder = HttpsConnectorBuilder::new().with_tls_config(config.clone());
            // An endpoint of the environment's may be without TLS.
            let connector = builder.https_or_http().enable_http1().wrap_connector(tcp(connecting));
            InTime { connector, limit: connecting }
        })
    }

    fn by<C>(connect: impl Fn() -> C + Send + Sync + 'static) -> Self
    where
        C: Connect + Clone + Send + Sync + 'static,
    {
        let make = move || {
            let mut builder = Client::builder(TokioExecutor::new());
            builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
            SharedHttpConnector::new(Sender(builder.build(connect())))
        };
        Self(Arc::new(Pool { current: Mutex::new(make()), make: Box::new(make) }))
    }

    /// Leaves the connections that there are to the calls on them: a half-open one is used by no other.
    pub(super) fn renew(&self) {
        *self.current() = (self.0.make)();
    }

    fn current(&self) -> MutexGuard<'_, SharedHttpConnector> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpClient for Connections {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.current().clone()
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

fn tcp(connecting: Duration) -> Tcp {
    let mut tcp = Tcp::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connecting));
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE));
    tcp.set_keepalive_retries(Some(2));
    tcp
}

/// A connector that has so much time for all that it does: the lookup, TCP, TLS. A connect goes on in the background
/// when the call that began it has another connection.
#[derive(Clone)]
struct InTime<C> {
    connector: C,
    limit: Duration,
}

impl<C> Service<Uri> for InTime<C>
where
    C: Service<Uri, Future: Send + 'static, Error: Into<BoxError>>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connected = timeout(self.limit, self.connector.call(to));
        Box::pin(async move {
            let late = |_| BoxError::from(io::Error::from(io::ErrorKind::TimedOut));
            connected.await.map_err(late)?.map_err(Into::into)
        })
    }
}

/// One pool of connections.
struct Sender<C>(Client<C, SdkBody>);

impl<C: Connect + Clone + Send + Sync + 'static> HttpConnector for Sender<C> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(err) => return HttpConnectorFuture::ready(Err(ConnectorError::user(err.into()))),
        };
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(|err| ConnectorError::io(err.into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|err| ConnectorError::io(err.into()))
        })
    }
}

impl<C> fmt::Debug for Sender<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
