//! A subscriber that keeps what it is told.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

/// Clones share it.
#[derive(Clone, Default)]
pub(super) struct Listener(Arc<Heard>);

#[derive(Default)]
struct Heard {
    next: AtomicU64,
    spans: Mutex<Vec<Told>>,
    events: Mutex<Vec<Told>>,
}

/// A span or an event of this library.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) level: Level,
    id: u64,
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Told {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str())
    }
}

impl Listener {
    /// Listens to this thread until the guard is dropped.
    pub(super) fn start() -> (Self, DefaultGuard) {
        let listener = Self::default();
        let guard = tracing::subscriber::set_default(listener.clone());
        (listener, guard)
    }

    pub(super) fn spans(&self) -> Vec<Told> {
        self.0.spans.lock().unwrap().clone()
    }

    pub(super) fn events(&self) -> Vec<Told> {
        self.0.events.lock().unwrap().clone()
    }

    /// All that was said, as text.
    pub(super) fn text(&self) -> String {
        format!("{:?} {:?}", self.spans(), self.events())
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let id = self.0.next.fetch_add(1, SeqCst) + 1;
        let mut told = Told { level: *span.metadata().level(), id, fields: Vec::new() };
        span.record(&mut told);
        self.0.spans.lock().unwrap().push(told);
        span::Id::from_u64(id)
    }
    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        let mut spans = self.0.spans.lock().unwrap();
        values.record(spans.iter_mut().find(|told| told.id == span.into_u64()).unwrap());
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut told = Told { level: *event.metadata().level(), id: 0, fields: Vec::new() };
        event.record(&mut told);
        self.0.events.lock().unwrap().push(told);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name(), value.to_owned()));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.push((field.name(), format!("{value:?}")));
    }
}
