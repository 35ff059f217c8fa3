//! What is logged at the highest level, by us and by the SDK of DynamoDB. Alone in its process: whether a line is logged is
//! kept for each place in the code, for all threads.

use std::{
    io,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::config::Credentials;
use blindcache::Backend;
use blindcache_server_tests::{
    Store,
    dynamodb::{Dynoxide, at},
    entry, key,
};
use tracing_subscriber::fmt::MakeWriter;

/// What is written to it.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<u8>>>);

impl io::Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Journal {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn no_line_has_a_secret_and_none_of_ours_a_name() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Dynoxide::start());
    let (secret, token) = ("hunter2secret", "hunter2token");
    let credentials = Credentials::new("AKIAHUNTER", secret, Some(token.into()), None, "tests");
    let journal = Journal::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(journal.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    runtime.block_on(async {
        let backend = at(server.port).credentials(credentials).build().unwrap();
        backend.set(&key(1), entry(1, 200), None).await.unwrap();
        assert!(backend.get(&key(1)).await.unwrap().is_some());
        assert_eq!(backend.get_many(&[key(1), key(2)]).await.unwrap().len(), 2);
        assert!(backend.delete(&key(1)).await.unwrap());
    });
    let journal = String::from_utf8(journal.0.lock().unwrap().clone()).unwrap();
    assert!(journal.lines().count() > 100, "little is logged: {journal}");
    // The control: the SDK does log the requests, as is documented.
    assert!(journal.contains("transmitting request"));
    assert!(journal.contains(key(1).as_str()) && journal.contains("AKIAHUNTER"));
    assert!(!journal.contains(secret) && !journal.contains(token));
    let name = key(1);
    let told = [&name.as_str()[..12], "AKIAHUNTER"]; // 9 characters behind `b1.`
    for line in journal.lines().filter(|line| line.contains(" blindcache")) {
        assert!(!told.iter().any(|told| line.contains(told)), "{line}");
    }
}
