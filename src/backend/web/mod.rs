//! HTTP, for every backend that speaks it: one client, one deadline for a call, bounded answers, and errors by their kind.

mod answer;
mod base;
mod batch;
mod error;
#[cfg(feature = "testing")]
pub(crate) mod fuzz;
mod pool;
mod settings;
#[cfg(any(feature = "http", feature = "upstash"))]
mod writes;

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use reqwest::{Client, Method, Request, Response, Version};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

#[cfg(feature = "upstash")]
pub(super) use self::base::parse;
#[cfg(any(feature = "http", feature = "upstash"))]
pub(super) use self::writes::set_each;
pub(super) use self::{
    answer::Answer,
    batch::each,
    error::Failure,
    settings::{Limits, Settings, setters},
};
use self::{
    answer::Body,
    base::Base,
    pool::{Call, Pool},
};
use crate::error::BackendError;

/// A server, and the pools of connections to it.
pub(super) struct Web {
    /// What the backend is called in errors.
    name: &'static str,
    base: Base,
    pub(super) limits: Limits,
    pool: Pool,
    /// Whether the server ever answered.
    reached: AtomicBool,
}

impl Web {
    fn new(name: &'static str, base: Base, limits: Limits, pool: Pool) -> Self {
        Self { name, base, limits, pool, reached: AtomicBool::new(false) }
    }

    /// Scheme, host and port of the server, to be shown. A path may be secret.
    pub(super) fn server(&self) -> String {
        self.base.server()
    }

    /// A request without a body, with the headers of all requests, to the base's path and these further segments.
    pub(super) fn request(&self, method: Method, path: &[&str]) -> Request {
        self.base.request(method, path)
    }

    /// Sends the request and waits for the whole answer, whatever its status, within the one time limit.
    ///
    /// A success may have a body of `largest` bytes; more is [`Rejected`](crate::BackendErrorKind::Rejected), and not
    /// read. Of any other answer the status counts, even where its body does not arrive. The request must be one that may arrive twice: it is sent once more, on a new connection, if the first
    /// was lost and may have been an old one.
    #[cfg(any(feature = "cloudflare-kv", feature = "upstash"))]
    pub(super) async fn send(&self, request: Request, largest: usize) -> Result<Answer, BackendError> {
        self.send_by(self.deadline(), request, largest).await
    }

    /// The same by this time, for a call of several requests.
    pub(super) async fn send_by(
        &self,
        deadline: Instant,
        request: Request,
        largest: usize,
    ) -> Result<Answer, BackendError> {
        self.answered_by(deadline, request, largest).await.map_err(|failure| failure.of(self.name))
    }

    /// When a call that begins now is over.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.limits.timeout
    }

    /// The same, and `None` where a success is longer than that.
    #[cfg(feature = "upstash")]
    pub(super) async fn send_if_short(
        &self,
        request: Request,
        largest: usize,
    ) -> Result<Option<Answer>, BackendError> {
        match self.answered_by(self.deadline(), request, largest).await {
            Err(failure) if failure.is_flood() => Ok(None),
            sent => sent.map(Some).map_err(|failure| failure.of(self.name)),
        }
    }

    async fn answered_by(
        &self,
        deadline: Instant,
        request: Request,
        largest: usize,
    ) -> Result<Answer, Failure> {
        Handle::try_current().map_err(|_| Failure::setting("no Tokio runtime"))?;
        let mut call = self.pool.call();
        let sent = self.up_to_twice(deadline, &mut call, request, largest).await;
        call.over(&sent);
        sent
    }

    async fn up_to_twice(
        &self,
        deadline: Instant,
        call: &mut Call<'_>,
        request: Request,
        largest: usize,
    ) -> Result<Answer, Failure> {
        let again = request.try_clone();
        match (self.once(deadline, &call.client, request, largest).await, again) {
            (Err(failure), Some(again)) if call.may_be_repeated(&failure) => {
                if let Some(mut tried) = call.renew() {
                    let _ = timeout_at(self.moment(deadline), async {
                        tried.wait_for(|tried| *tried).await.map(drop)
                    })
                    .await;
                }
                self.once(deadline, &call.client, again, largest).await
            }
            (done, _) => done,
        }
    }

    async fn once(
        &self,
        deadline: Instant,
        client: &Client,
        request: Request,
        largest: usize,
    ) -> Result<Answer, Failure> {
        let is_head = request.method() == Method::HEAD;
        let mut response = self.by(deadline, client.execute(request)).await?;
        self.reached.store(true, Relaxed);
        let mut body = Body::of(&response, is_head, largest)?;
        // What a refusal says besides its status is worth a moment.
        let until = if body.may_be_cut() { self.moment(deadline) } else { deadline };
        while body.wants_more() {
            match self.by(until, response.chunk()).await {
                Ok(Some(part)) => body.add(&part)?,
                Ok(None) => break,
                Err(_) if body.may_be_cut() => body.break_off(),
                Err(failure) => return Err(failure),
            }
        }
        Ok(self.answer(response, body))
    }

    /// What the client gives by this time.
    async fn by<T>(
        &self,
        deadline: Instant,
        call: impl Future<Output = Result<T, reqwest::Error>>,
    ) -> Result<T, Failure> {
        let done = timeout_at(deadline, call).await.map_err(|_| Failure::no_answer())?;
        done.map_err(|err| Failure::client(&err, self.reached.load(Relaxed)))
    }

    /// When a wait is over that may not take all that is left: after a quarter of the limit.
    fn moment(&self, deadline: Instant) -> Instant {
        deadline.min(Instant::now() + self.limits.timeout / 4)
    }

    fn answer(&self, mut response: Response, body: Body) -> Answer {
        let headers = std::mem::take(response.headers_mut());
        let (status, is_http2) = (response.status(), response.version() == Version::HTTP_2);
        let broke_off = body.broke_off();
        Answer { backend: self.name, is_http2, status, headers, broke_off, body: body.into_bytes() }
    }

    /// The error of an entry that is larger than the limit.
    pub(super) fn too_large(&self) -> BackendError {
        Failure::too_large().of(self.name)
    }
}
