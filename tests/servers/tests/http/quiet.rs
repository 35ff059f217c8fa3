//! What the client libraries log at their highest level, and what errors and `Debug` show.

use std::{
    cell::RefCell,
    error::Error,
    io::{self, Write},
    sync::Once,
};

use blindcache::{Backend, HttpBackend};
use blindcache_server_tests::{
    entry,
    http::{Contract, Misdeed, Speaks},
    key,
};
use tokio::runtime::Runtime;
use tracing_subscriber::fmt::MakeWriter;

/// What no log line may hold.
const SECRET: &str = "hunter2hunter2";

thread_local! {
    /// What this thread logged, while it is listened to.
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes to [`LINES`], for `log` and for `tracing`.
#[derive(Clone, Copy)]
struct Ear;

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.iter_mut().for_each(|lines| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Ear {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        writeln!(Self, "{} {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

/// All that this thread logs meanwhile.
fn logged(run: impl FnOnce()) -> String {
    static LOGGER: Once = Once::new();
    LOGGER.call_once(|| {
        log::set_logger(&Ear).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        // Of the whole process: whether a line is logged is kept for each place in the code, for all threads.
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(Ear);
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    });
    LINES.set(Some(Vec::new()));
    run();
    String::from_utf8_lossy(&LINES.take().unwrap()).into_owned()
}

/// How an error and all its sources are shown.
fn shown(err: &dyn Error) -> String {
    let next = err.source().map(shown).unwrap_or_default();
    format!("{err} {err:?} {err:#?} {next}")
}

/// Every kind of call against a server that answers, and one that does not; gives how all errors are shown.
async fn calls(backend: &HttpBackend, server: &Contract) -> String {
    let mut all = format!("{backend:?} {backend:#?}");
    backend.set(&key(77), entry(77, 5_000), None).await.unwrap();
    for misdeed in [Misdeed::None, Misdeed::status(500), Misdeed::status(302), Misdeed::Endless(200)] {
        server.set(misdeed);
        let outcomes = [
            backend.get(&key(77)).await.err(),
            backend.set(&key(77), entry(77, 5_000), None).await.err(),
            backend.delete(&key(77)).await.err(),
            backend.exists(&key(77)).await.err(),
            backend.get_many(&[key(77)]).await.err(),
        ];
        outcomes.into_iter().flatten().for_each(|err| all += &shown(&err));
    }
    server.set(Misdeed::None);
    all
}

#[test]
fn tokens_names_and_entries_are_in_no_log_line_and_no_error() {
    for speaks in [Speaks::Http1, Speaks::Tls2] {
        let elsewhere = Runtime::new().unwrap(); // the server's own lines are not ours
        let server = elsewhere.block_on(Contract::speaking(speaks));
        let builder = server.builder(server.port).header("X-Secret", SECRET).max_entry(10_000);
        let builder_shown = format!("{builder:?} {builder:#?}");
        let backend = builder.build().unwrap();
        let nobody = HttpBackend::builder(&format!("http://{SECRET}:{SECRET}@127.0.0.1:1/{SECRET}"));
        let nobody = nobody.build().unwrap();
        let unknown = HttpBackend::new(&format!("http://{SECRET}.invalid/{SECRET}")).unwrap();
        let mut errors = builder_shown;
        let lines = logged(|| {
            let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            errors += &here.block_on(calls(&backend, &server));
            errors += &shown(&here.block_on(nobody.get(&key(77))).unwrap_err());
        });
        assert!(lines.len() > 1_000, "the client libraries are listened to: {lines}");
        assert!(lines.contains("hyper"), "{lines}");
        let here = Runtime::new().unwrap();
        errors += &shown(&here.block_on(unknown.get(&key(77))).unwrap_err());
        let token = "a token of the tests";
        let name = &key(77).as_str()["b1.".len() + 8..].to_owned();
        for mark in [SECRET, token, name] {
            assert!(!errors.contains(mark), "{mark}: {errors}");
            let line = lines.lines().find(|line| line.contains(mark));
            assert!(line.is_none(), "{speaks:?} {mark}: {line:?}");
        }
        let _guard = elsewhere.enter();
        drop(server);
    }
}

/// The control: what is logged on this thread is heard.
#[test]
fn logged_mark_is_found() {
    let lines = logged(|| {
        log::trace!("{SECRET} by log");
        tracing::trace!("{SECRET} by tracing");
    });
    assert_eq!(lines.matches(SECRET).count(), 2, "{lines}");
}
