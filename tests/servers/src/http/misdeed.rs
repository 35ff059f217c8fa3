//! What a server may do in place of what it was asked.

use std::{
    convert::Infallible,
    io::Write as _,
    pin::Pin,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{Method, StatusCode, header::CONTENT_ENCODING, header::CONTENT_LENGTH},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body::{Body as HttpBody, Frame};
use tokio::time::{Interval, interval};

/// Bytes of one piece of an endless answer.
const PIECE: usize = 64 * 1024;

/// What every request gets from now on.
#[derive(Debug, Clone, Default)]
pub enum Misdeed {
    /// What it asked for.
    #[default]
    None,
    /// This status and these headers, whatever was asked.
    Status(u16, Vec<(&'static str, String)>),
    /// Nothing, ever.
    Silence,
    /// A body that arrives byte by byte and takes an hour.
    Slow,
    /// A success, or another status, whose body has no end.
    Endless(u16),
    /// A body of so many bytes, which says its length.
    Long(u64),
    /// 64 MiB of zeros, as gzip.
    Bomb(Bytes),
    /// `HEAD` says the opposite.
    LiesAboutExists,
    /// What should have expired stays.
    IgnoresTtl,
}

impl Misdeed {
    pub fn status(status: u16) -> Self {
        Self::Status(status, Vec::new())
    }

    pub fn bomb() -> Self {
        let mut gzip = Command::new("gzip");
        let gzip = gzip.arg("-9").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = gzip.spawn().expect("gzip is missing. Install it: apt-get install gzip");
        let mut zeros = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || zeros.write_all(&vec![0; 64 << 20]).unwrap());
        let bomb = child.wait_with_output().unwrap().stdout;
        writer.join().unwrap();
        Self::Bomb(bomb.into())
    }
}

/// The misdeed of a server, and what it has sent of endless and long bodies.
#[derive(Clone, Default)]
pub(super) struct Misdeeds {
    pub(super) current: Arc<Mutex<Misdeed>>,
    pub(super) poured: Arc<AtomicUsize>,
}

impl Misdeeds {
    /// Answers in place of the store, or not.
    pub(super) async fn answer(self, request: Request, next: Next) -> Response {
        let current = self.current.lock().unwrap().clone();
        let head = request.method() == Method::HEAD;
        let pour = |left| Body::new(Water { left, poured: self.poured.clone(), drops: None });
        match current {
            Misdeed::None | Misdeed::IgnoresTtl => next.run(request).await,
            Misdeed::LiesAboutExists if head => match next.run(request).await.status() {
                StatusCode::NOT_FOUND => StatusCode::NO_CONTENT.into_response(),
                _ => StatusCode::NOT_FOUND.into_response(),
            },
            Misdeed::LiesAboutExists => next.run(request).await,
            Misdeed::Status(status, headers) => {
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(Body::from("a page")).unwrap()
            }
            Misdeed::Silence => std::future::pending().await,
            Misdeed::Slow => {
                let drops = Some(interval(Duration::from_millis(50)));
                Body::new(Water { left: 72_000, poured: self.poured, drops }).into_response()
            }
            Misdeed::Endless(status) => {
                (StatusCode::from_u16(status).unwrap(), pour(u64::MAX)).into_response()
            }
            Misdeed::Long(length) => ([(CONTENT_LENGTH, length.to_string())], pour(length)).into_response(),
            Misdeed::Bomb(bomb) => ([(CONTENT_ENCODING, "gzip")], bomb).into_response(),
        }
    }
}

/// A body of zeros.
struct Water {
    left: u64,
    poured: Arc<AtomicUsize>,
    /// Byte by byte, at these times.
    drops: Option<Interval>,
}

impl HttpBody for Water {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut self.drops {
            None => PIECE as u64,
            Some(drops) => {
                std::task::ready!(drops.poll_tick(context));
                1
            }
        };
        let piece = piece.min(self.left);
        if piece == 0 {
            return Poll::Ready(None);
        }
        self.left -= piece;
        self.poured.fetch_add(piece as usize, SeqCst);
        Poll::Ready(Some(Ok(Frame::data(vec![0; piece as usize].into()))))
    }
}
