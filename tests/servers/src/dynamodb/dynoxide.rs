//! dynoxide: DynamoDB over SQLite, within the process.

use std::time::Duration;

use blindcache::{DynamoDbBackend, conformance::Expiry};
use dynoxide::Database;
use tokio::{
    net::TcpSocket,
    runtime::{Builder, Runtime},
};

use super::{at, contents, patient};
use crate::{LIMIT, Remote, Store};

/// A server on a free loopback port, with a runtime of its own, so that it can be ended as a whole. What it holds is in
/// memory and outlives that.
pub struct Dynoxide {
    database: Database,
    runtime: Option<Runtime>,
    pub port: u16,
}

impl Dynoxide {
    /// One without tables.
    pub fn empty() -> Self {
        let mut server = Self { database: Database::memory().unwrap(), runtime: None, port: 0 };
        assert!(server.run());
        server
    }

    /// Whether the port was free.
    fn run(&mut self) -> bool {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = {
            let _inside = runtime.enter();
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(([127, 0, 0, 1], self.port).into()).and_then(|()| socket.listen(1024))
        };
        let Ok(listener) = listener else {
            runtime.shutdown_background();
            return false;
        };
        self.port = listener.local_addr().unwrap().port();
        runtime.spawn(dynoxide::server::serve_on(listener, self.database.clone()));
        self.runtime = Some(runtime);
        true
    }

    fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Dynoxide {
    fn drop(&mut self) {
        self.end();
    }
}

impl Store for Dynoxide {
    type Backend = DynamoDbBackend;

    const NAME: &'static str = "dynamodb";
    const EXPIRY: Expiry = Expiry::Exact;
    const LARGEST: usize = 409_400;

    async fn start() -> Self {
        let server = Self::empty();
        server.backend().create_table().await.unwrap();
        server
    }

    fn backend(&self) -> DynamoDbBackend {
        patient(self.port)
    }

    async fn contents(&self) -> Vec<u8> {
        contents(self.port).await
    }
}

impl Remote for Dynoxide {
    fn port(&self) -> u16 {
        self.port
    }

    fn impatient(&self, port: u16) -> DynamoDbBackend {
        at(port).timeout(LIMIT).build().unwrap()
    }

    async fn stop(&mut self) {
        self.end();
    }

    async fn start_again(&mut self) {
        while !self.run() {
            tokio::time::sleep(Duration::from_millis(10)).await; // until the old one has let go of the port
        }
    }
}
