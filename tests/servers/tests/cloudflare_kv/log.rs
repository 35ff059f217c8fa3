//! What is logged, at the highest level.

use std::{cell::RefCell, io};

use blindcache::BackendErrorKind as Kind;
use blindcache_server_tests::{Cloudflare, HttpFake, Store, cloudflare::TOKEN};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::{at, kinds, refusal};

thread_local! {
    /// What this thread logs.
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy)]
struct Log;

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Of this thread alone, on which the test's runtime runs: other tests log too.
#[tokio::test]
async fn token_is_in_no_line_of_the_log_and_no_name_in_ours() {
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
    // Of the whole process: whether a line is logged is kept for each place in the code, for all threads.
    tracing::subscriber::set_global_default(subscriber.with_writer(Log).finish()).unwrap();
    tracing_log::LogTracer::init().unwrap();
    let server = <Cloudflare as Store>::start().await;
    let fake = HttpFake::start(|_| refusal(401, 10_000)).await;
    assert_eq!(kinds(&server.backend()).await, [Ok(()); 8]);
    assert_eq!(kinds(&at(fake.port)).await, [Err(Kind::Denied); 8]);
    tracing::trace!("the control");

    let text = String::from_utf8(LINES.take()).unwrap();
    for library in ["the control", "hyper", "reqwest"] {
        assert!(text.contains(library), "nothing of {library} in {text}");
    }
    assert!(!text.contains(TOKEN) && !text.contains(&TOKEN[..8]), "{text}");
    let ours: Vec<_> =
        text.lines().filter(|line| line.contains("blindcache") && line.contains("b1.")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}
