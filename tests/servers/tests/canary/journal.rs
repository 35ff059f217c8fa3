//! Everything that this process logs by `tracing` or `log`, at their highest level.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

use crate::marks::Marks;

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The log of this process, which begins with the first call.
    pub(crate) fn of_process() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(LevelFilter::TRACE)
                .with_span_events(FmtSpan::FULL)
                .with_ansi(false)
                .without_time()
                .with_writer(log.clone());
            tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
            tracing_log::LogTracer::init().unwrap(); // at the highest level
            log
        })
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
