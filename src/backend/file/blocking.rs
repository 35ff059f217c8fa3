//! Calls on the file system, off the runtime's threads: so many at once, within a time limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::Semaphore, time::timeout};

use super::error;
use crate::error::BackendError;

/// Calls at once. A file system that hangs keeps so many threads of the runtime's pool and no more.
pub(super) const CALLS: usize = 16;

/// Runs jobs on the runtime's threads for blocking calls. Clones share the places.
#[derive(Clone)]
pub(super) struct Blocking {
    pub(super) places: Arc<Semaphore>,
    pub(super) limit: Duration,
}

/// Whether the caller still waits. A job that nobody waits for must change nothing any more: a later call on the same
/// name may be done by then.
pub(super) struct Waits(Arc<AtomicBool>);

impl Waits {
    pub(super) fn still(&self) -> bool {
        self.0.load(SeqCst)
    }
}

/// The caller's side: dropped with its future, however that ends.
struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

impl Blocking {
    pub(super) fn new(limit: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(CALLS)), limit }
    }

    /// What the job gives, or [`Timeout`](crate::BackendErrorKind::Timeout). The job may go on for as long as the file
    /// system takes, with its place.
    pub(super) async fn run<T, F>(&self, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: FnOnce(&Waits) -> Result<T, BackendError> + Send + 'static,
    {
        if Handle::try_current().is_err() {
            return Err(error::misconfigured("there is no Tokio runtime"));
        }
        timeout(self.limit, self.place_and_run(job)).await.unwrap_or_else(|_| Err(error::timeout()))
    }

    async fn place_and_run<T, F>(&self, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: FnOnce(&Waits) -> Result<T, BackendError> + Send + 'static,
    {
        let place = self.places.clone().acquire_owned().await.map_err(|_| error::lost())?;
        let flag = Arc::new(AtomicBool::new(true));
        let (waits, _caller) = (Waits(flag.clone()), Caller(flag));
        let thread = tokio::task::spawn_blocking(move || {
            let _place = place;
            if waits.still() { job(&waits) } else { Err(error::timeout()) }
        });
        thread.await.unwrap_or_else(|_| Err(error::lost()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{atomic::AtomicUsize, mpsc};

    use super::*;
    use crate::error::BackendErrorKind;

    const LIMIT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_file_system_that_hangs_keeps_only_its_places() {
        let blocking = Blocking::new(LIMIT);
        let (resume, hang) = mpsc::channel::<()>();
        let hang = Arc::new(std::sync::Mutex::new(hang));
        let begun = Arc::new(AtomicUsize::new(0));
        // On a busy machine the time may be over before one begins, which then never does.
        while begun.load(SeqCst) < CALLS {
            let (hang, begun) = (hang.clone(), begun.clone());
            let hung = blocking.run(move |_| {
                begun.fetch_add(1, SeqCst);
                Ok(hang.lock().is_ok_and(|it| it.recv().is_ok()))
            });
            assert_eq!(hung.await.unwrap_err().kind(), BackendErrorKind::Timeout);
        }
        let ran = Arc::new(AtomicBool::new(false));
        let flag = ran.clone();
        let waited = blocking.run(move |_| Ok(flag.swap(true, SeqCst))).await;
        assert_eq!(waited.unwrap_err().kind(), BackendErrorKind::Timeout);
        drop(resume);
        while blocking.places.available_permits() < CALLS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!ran.load(SeqCst), "what nobody waits for any more is not begun");
        assert_eq!(blocking.run(|_| Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_job_sees_that_its_caller_is_gone() {
        let blocking = Blocking::new(LIMIT);
        // On a busy machine the time may be over before it begins, which then it never does.
        let seen = loop {
            let (say, said) = mpsc::channel();
            let (resume, hang) = mpsc::channel::<()>();
            let job = blocking.run(move |waits| {
                let before = waits.still();
                let _ = hang.recv();
                say.send((before, waits.still())).map_err(|_| error::lost())
            });
            assert!(job.await.is_err());
            drop(resume);
            if let Ok(seen) = said.recv() {
                break seen;
            }
        };
        assert_eq!(seen, (true, false));
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let blocking = Blocking::new(Duration::from_secs(30));
        let lost = blocking.run(|_| -> Result<(), BackendError> { panic!("of the test") }).await;
        assert_eq!(lost.unwrap_err().kind(), BackendErrorKind::Transient);
        assert_eq!(blocking.places.available_permits(), CALLS);
    }

    #[test]
    fn without_a_runtime_it_is_misconfigured() {
        let blocking = Blocking::new(LIMIT);
        let mut call = std::pin::pin!(blocking.run(|_| Ok(())));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match call.as_mut().poll(&mut context) {
            std::task::Poll::Ready(Err(err)) => assert_eq!(err.kind(), BackendErrorKind::Misconfigured),
            other => panic!("{other:?}"),
        }
    }
}
