//! Everything that this process logs by `tracing` or `log`, at their highest level, and all its metrics.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

use metrics_util::debugging::{DebuggingRecorder, Snapshotter};
use tracing::{Subscriber, level_filters::LevelFilter, subscriber::DefaultGuard};
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

use crate::marks::Marks;

/// Every metric of this process, from the first call on, with its labels, as text.
pub(crate) fn metrics() -> String {
    static NUMBERS: OnceLock<Snapshotter> = OnceLock::new();
    let numbers = NUMBERS.get_or_init(|| {
        let recorder = DebuggingRecorder::new();
        let numbers = recorder.snapshotter();
        recorder.install().unwrap();
        numbers
    });
    format!("{:?}", numbers.snapshot().into_vec())
}

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The log of this process, which begins with the first call.
    pub(crate) fn of_process() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            tracing::subscriber::set_global_default(log.subscriber()).unwrap();
            tracing_log::LogTracer::init().unwrap(); // at the highest level
            metrics();
            log
        })
    }

    /// A log of what this thread logs until the guard is dropped, apart from that of the process.
    pub(crate) fn of_thread() -> (Self, DefaultGuard) {
        Self::of_process();
        let log = Self::default();
        let guard = tracing::subscriber::set_default(log.subscriber());
        (log, guard)
    }

    fn subscriber(&self) -> impl Subscriber + Send + Sync + 'static {
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .without_time()
            .with_writer(self.clone())
            .finish()
    }

    pub(crate) fn text(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn all_that_is_logged_is_captured() {
    let log = Log::of_process();
    let mut controls = [(); 3].map(|()| Marks::default());
    let [event, field, record] = controls.each_mut().map(|control| control.text("a control"));
    tracing::trace!("{event}");
    drop(tracing::trace_span!("span", field));
    log::trace!("{record}");
    for control in controls {
        assert!(control.find(&log.text()).is_some());
    }
}
