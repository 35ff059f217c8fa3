//! HTTP, for every backend that speaks it: one client, one deadline for a call, bounded answers, and errors by their kind.

mod answer;
mod base;
mod batch;
mod error;
mod pool;
mod settings;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use reqwest::{Client, Method, Request, Response, Version};
use tokio::{runtime::Handle, time::timeout};

pub(super) use self::{
    answer::Answer,
    base::parse,
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
    /// read. The request must be one that may arrive twice: it is sent once more, on a new connection, if the first
    /// was lost and may have been an old one.
    pub(super) async fn send(&self, request: Request, largest: usize) -> Result<Answer, BackendError> {
        self.within_limit(request, largest).await.map_err(|failure| failure.of(self.name))
    }

    /// The same, and `None` where a success is longer than that.
    pub(super) async fn send_if_short(
        &self,
        request: Request,
        largest: usize,
    ) -> Result<Option<Answer>, BackendError> {
        match self.within_limit(request, largest).await {
            Err(failure) if failure.is_flood() => Ok(None),
            sent => sent.map(Some).map_err(|failure| failure.of(self.name)),
        }
    }

    async fn within_limit(&self, request: Request, largest: usize) -> Result<Answer, Failure> {
        Handle::try_current().map_err(|_| Failure::setting("no Tokio runtime"))?;
        let mut call = self.pool.call();
        let sent = timeout(self.limits.timeout, self.up_to_twice(&mut call, request, largest)).await;
        let sent = sent.unwrap_or_else(|_| Err(Failure::no_answer()));
        call.over(&sent);
        sent
    }

    async fn up_to_twice(
        &self,
        call: &mut Call<'_>,
        request: Request,
        largest: usize,
    ) -> Result<Answer, Failure> {
        let again = request.try_clone();
        match (self.once(&call.client, request, largest).await, again) {
            (Err(failure), Some(again)) if call.may_be_repeated(&failure) => {
                if let Some(mut tried) = call.renew() {
                    let moment = self.limits.timeout / 4;
                    let _ = timeout(moment, async { tried.wait_for(|tried| *tried).await.map(drop) }).await;
                }
                self.once(&call.client, again, largest).await
            }
            (done, _) => done,
        }
    }

    async fn once(&self, client: &Client, request: Request, largest: usize) -> Result<Answer, Failure> {
        let is_head = request.method() == Method::HEAD;
        let failed = |err: reqwest::Error| Failure::client(&err, self.reached.load(Relaxed));
        let mut response = client.execute(request).await.map_err(failed)?;
        self.reached.store(true, Relaxed);
        let mut body = Body::of(&response, is_head, largest)?;
        while body.wants_more()
            && let Some(part) = response.chunk().await.map_err(failed)?
        {
            body.add(&part)?;
        }
        Ok(self.answer(response, body))
    }

    fn answer(&self, mut response: Response, body: Body) -> Answer {
        let headers = std::mem::take(response.headers_mut());
        let (status, is_http2) = (response.status(), response.version() == Version::HTTP_2);
        Answer { backend: self.name, is_http2, status, headers, body: body.into_bytes() }
    }

    /// The error of an entry that is larger than the limit.
    pub(super) fn too_large(&self) -> BackendError {
        Failure::too_large().of(self.name)
    }
}
