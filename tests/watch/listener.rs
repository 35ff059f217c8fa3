//! A subscriber that keeps what it is told. One for the whole process passes on to the listener of each thread: with
//! subscribers of single threads, a thread without one can turn a span off for all, when it is the first to come by.

use std::{
    cell::RefCell,
    fmt,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

thread_local! {
    static HERE: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// Clones share it.
#[derive(Clone, Default)]
pub(super) struct Listener(Arc<Heard>);

#[derive(Default)]
struct Heard {
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
    pub(super) fn start() -> (Self, Guard) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| tracing::subscriber::set_global_default(Hub).unwrap());
        let listener = Self::default();
        HERE.set(Some(listener.clone()));
        (listener, Guard)
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

/// Ends the listening of this thread.
pub(super) struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        HERE.set(None);
    }
}

struct Hub;

impl Subscriber for Hub {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, SeqCst);
        let mut told = Told { level: *span.metadata().level(), id, fields: Vec::new() };
        span.record(&mut told);
        HERE.with_borrow(|here| here.iter().for_each(|here| here.0.spans.lock().unwrap().push(told.clone())));
        span::Id::from_u64(id)
    }
    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        let here = HERE.with_borrow(Clone::clone);
        let Some(Listener(heard)) = here else { return };
        let mut spans = heard.spans.lock().unwrap();
        if let Some(told) = spans.iter_mut().find(|told| told.id == span.into_u64()) {
            values.record(told);
        }
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut told = Told { level: *event.metadata().level(), id: 0, fields: Vec::new() };
        event.record(&mut told);
        HERE.with_borrow(|here| {
            here.iter().for_each(|here| here.0.events.lock().unwrap().push(told.clone()))
        });
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
