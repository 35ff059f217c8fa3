//! Work on the store that is not given up half-way. A request that was sent can still arrive when nobody waits for it any
//! more: who writes next must not overtake it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{runtime::Handle, time::timeout};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Cache;
use crate::{
    backend::Backend,
    error::{BackendError, BackendErrorKind},
};

/// How long work may go on for which no caller waits, over a backend that has no shorter limit of its own.
const LIMIT: Duration = Duration::from_secs(30);

/// Leave to start a task; `close` waits for it from now on.
pub(super) struct Background {
    runtime: Handle,
    awaited: TaskTrackerToken,
}

impl Background {
    pub(super) fn start(self, work: impl Future<Output = ()> + Send + 'static) {
        let Self { runtime, awaited } = self;
        drop(runtime.spawn(async move {
            work.await;
            drop(awaited);
        }));
    }
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Work that a caller does, and that goes on in the background if the caller's future is dropped.
///
/// It costs no task of its own as long as the caller stays. Without a tokio runtime it is dropped with the caller.
pub(super) struct Unbroken<'a, T: Send + 'static> {
    /// `None` once it is done.
    work: Option<Work<T>>,
    cache: &'a Cache,
    /// Where it goes on; looked for once it waits.
    runtime: Option<Handle>,
}

impl Cache {
    /// Does the work here, whatever becomes of the caller.
    pub(super) fn unbroken<T: Send>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Unbroken<'_, T> {
        Unbroken { work: Some(Box::pin(work)), cache: self, runtime: None }
    }

    /// Does the work in the background, unless there is none (any more).
    pub(super) async fn behind<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) {
        match self.background() {
            Some(background) => background.start(self.clone().within_limit(work)),
            None => drop(self.unbroken(work).await),
        }
    }

    /// Work that nobody waits for, given up after a while: that is trouble with the store too.
    pub(super) async fn within_limit<T>(self, work: impl Future<Output = T>) {
        if timeout(LIMIT, work).await.is_err()
            && let Some(store) = &self.store
        {
            self.trouble(&BackendError::new(store.backend().name(), BackendErrorKind::Timeout).into());
        }
    }

    /// Where work that nobody waits for is done, unless `close` was called or there is no runtime.
    pub(super) fn background(&self) -> Option<Background> {
        // Before the look: a `close` that comes after it waits for the work.
        let awaited = self.shared.tasks.token();
        let runtime = Handle::try_current().ok()?;
        (!self.shared.tasks.is_closed()).then_some(Background { runtime, awaited })
    }
}

impl<T: Send> Future for Unbroken<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // Out of its place, so that work that panics is dropped.
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            self.work = Some(work);
            self.runtime = self.runtime.take().or_else(|| Handle::try_current().ok());
        }
        polled
    }
}

impl<T: Send> Drop for Unbroken<'_, T> {
    fn drop(&mut self) {
        if let (Some(work), Some(runtime)) = (self.work.take(), &self.runtime) {
            let work = self.cache.clone().within_limit(work);
            drop(self.cache.shared.tasks.spawn_on(work, runtime));
        }
    }
}
