//! The server around the API: connections, TLS, and answers that no Upstash gives.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    http::request::Parts,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket},
    sync::OnceCell,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::rest;

/// An answer in place of the API's.
#[derive(Clone)]
pub enum Instead {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// Starts like this and goes on with zeros, to a length that the headers tell or without end.
    Flood {
        start: Vec<u8>,
        length: Option<u64>,
    },
    /// Nothing, and the connection stays open.
    Silence,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub head: Parts,
    pub body: Bytes,
}

type Rule = Box<dyn Fn(&Seen) -> Option<Instead> + Send + Sync>;

/// What the server shares with the test.
pub(super) struct Shared {
    pub(super) token: String,
    pub(super) redis: Client,
    pub(super) max_request: AtomicUsize,
    /// What is answered instead, and to which requests.
    pub(super) rule: Mutex<Option<Rule>>,
    pub(super) seen: Mutex<Vec<Seen>>,
    /// Bytes of floods that were taken.
    pub(super) taken: Arc<AtomicUsize>,
}

/// Serves until it is dropped, and every connection with it.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let redis = Arc::new(OnceCell::new());
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, shared, redis) = (tls.clone(), shared.clone(), redis.clone());
        connections.spawn(async move {
            stream.set_nodelay(true).unwrap();
            match tls {
                None => speak(stream, false, shared, redis).await,
                Some(tls) => {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    speak(stream, h2, shared, redis).await;
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

type Connection = Arc<OnceCell<MultiplexedConnection>>;

async fn speak<S>(stream: S, h2: bool, shared: Arc<Shared>, redis: Connection)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| respond(request, shared.clone(), redis.clone()));
    let stream = TokioIo::new(stream);
    // A client may end a connection whenever it likes.
    let _ = if h2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await
    };
}

async fn respond(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    redis: Connection,
) -> Result<Response<Reply>, hyper::Error> {
    let (head, body) = request.into_parts();
    let seen = Seen { head, body: body.collect().await?.to_bytes() };
    shared.seen.lock().unwrap().push(seen.clone());
    let instead = shared.rule.lock().unwrap().as_ref().and_then(|rule| rule(&seen));
    Ok(match instead {
        Some(instead) => instead.response(&shared).await,
        None => {
            let connection = redis.get_or_init(|| connect(&shared.redis)).await.clone();
            let max_request = shared.max_request.load(SeqCst);
            let answer = rest::answer(&seen.head, seen.body, &shared.token, max_request, connection).await;
            let response = Response::builder().status(answer.status).header(rest::TYPE, answer.content_type);
            response.body(Reply::whole(answer.body)).unwrap()
        }
    })
}

async fn connect(redis: &Client) -> MultiplexedConnection {
    let unhurried = AsyncConnectionConfig::new().set_response_timeout(None);
    redis.get_multiplexed_async_connection_with_config(&unhurried).await.unwrap()
}

impl Instead {
    /// An error of the API.
    pub fn error(status: u16, error: &str) -> Self {
        let body = serde_json::json!({ "error": error }).to_string().into_bytes();
        Self::Answer { status, headers: Vec::new(), body }
    }

    async fn response(self, shared: &Shared) -> Response<Reply> {
        match self {
            Self::Answer { status, headers, body } => {
                let response = headers
                    .into_iter()
                    .fold(Response::builder().status(status), |it, (name, value)| it.header(name, value));
                response.body(Reply::whole(body)).unwrap()
            }
            Self::Flood { start, length } => {
                Response::new(Reply { start: Some(start.into()), left: length, taken: shared.taken.clone() })
            }
            Self::Silence => std::future::pending().await,
        }
    }
}

/// The body of an answer: its start, and then so many zeros, or zeros without end.
pub(super) struct Reply {
    start: Option<Bytes>,
    left: Option<u64>,
    taken: Arc<AtomicUsize>,
}

impl Reply {
    fn whole(body: Vec<u8>) -> Self {
        Self { start: Some(body.into()), left: Some(0), taken: Arc::default() }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static WATER: [u8; 64 * 1024] = [0; 64 * 1024];
        let data = match (self.start.take(), self.left) {
            (Some(start), _) => start,
            (None, Some(0)) => return Poll::Ready(None),
            (None, Some(left)) => {
                let size = left.min(WATER.len() as u64);
                self.left = Some(left - size);
                Bytes::from_static(&WATER[..size as usize])
            }
            (None, None) => Bytes::from_static(&WATER),
        };
        self.taken.fetch_add(data.len(), SeqCst);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        let start = self.start.as_ref().map_or(0, Bytes::len) as u64;
        self.left.map_or_else(SizeHint::new, |left| SizeHint::with_exact(start + left))
    }
}

/// Listens on this loopback port, or on any if it is 0, once that is free.
pub(super) fn listen(port: u16) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], port).into()).unwrap();
    socket.listen(1024).unwrap()
}
