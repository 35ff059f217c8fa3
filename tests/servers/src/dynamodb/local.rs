//! AWS's own DynamoDB Local, a Java program.

use std::{
    env,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use blindcache::{Backend, DynamoDbBackend, conformance::Expiry};
use tempfile::TempDir;

use super::{Dynoxide, at, contents, patient};
use crate::{
    LIMIT, Remote, Store, entry, key,
    process::{Process, free_port, on_free_ports},
};

/// The folder with `DynamoDBLocal.jar` in it.
const FOLDER: &str = "BLINDCACHE_DYNAMODB_LOCAL";
const INSTALL: &str = "apt-get install default-jdk-headless";

/// How long Java may take to become fast.
const WARM: Duration = Duration::from_secs(120);

/// A server on a free port of 127.0.0.1 alone. Killed when dropped. What it holds is in its memory.
pub struct DynamoDbLocal {
    process: Option<Process>,
    dir: TempDir,
    port: u16,
}

impl DynamoDbLocal {
    /// One without tables.
    pub fn empty() -> Self {
        let mut server = Self { process: None, dir: tempfile::tempdir().unwrap(), port: 0 };
        on_free_ports(|| {
            server.port = free_port();
            server.run().then_some(())
        });
        server
    }

    /// Whether it came up.
    fn run(&mut self) -> bool {
        let folder = env::var_os(FOLDER).map(PathBuf::from);
        let folder = folder.unwrap_or_else(|| panic!("{FOLDER} is not set: tests/run.sh --full sets it"));
        let launcher = Path::new(env!("CARGO_MANIFEST_DIR")).join("java/Loopback.java");
        let mut command = Command::new("java");
        command
            .arg(format!("-Djava.library.path={}", folder.join("DynamoDBLocal_lib").display()))
            .arg("-Xmx768m")
            .arg("--class-path")
            .arg(folder.join("DynamoDBLocal.jar"))
            .arg(launcher)
            .args(["-sharedDb", "-inMemory", "-disableTelemetry", "-port", &self.port.to_string()])
            .current_dir(&self.dir)
            .stdout(Stdio::null());
        let port = self.port;
        let ready = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        self.process = Process::start(&mut command, INSTALL, ready);
        self.process.is_some()
    }

    /// Calls until they take a small part of the limit of the fault tests: what Java has not compiled yet is slow.
    async fn warm_up(&self) {
        let backend = self.backend();
        let key = key(u64::MAX);
        let deadline = Instant::now() + WARM;
        loop {
            let start = Instant::now();
            for _ in 0..10 {
                backend.set_many(vec![(key.clone(), entry(0, 10_000), None)]).await.unwrap();
                backend.get_many(std::slice::from_ref(&key)).await.unwrap();
                backend.set(&key, entry(0, 10_000), None).await.unwrap();
                backend.get(&key).await.unwrap();
                backend.delete(&key).await.unwrap();
            }
            if start.elapsed() < 5 * LIMIT / 2 {
                return; // 50 calls
            }
            assert!(start < deadline, "the server stays slow");
        }
    }
}

impl Store for DynamoDbLocal {
    type Backend = DynamoDbBackend;

    const NAME: &'static str = Dynoxide::NAME;
    const EXPIRY: Expiry = Dynoxide::EXPIRY;
    const LARGEST: usize = Dynoxide::LARGEST;

    async fn start() -> Self {
        let server = Self::empty();
        server.backend().create_table().await.unwrap();
        server.warm_up().await;
        server
    }

    fn backend(&self) -> DynamoDbBackend {
        patient(self.port)
    }

    async fn contents(&self) -> Vec<u8> {
        contents(self.port).await
    }
}

impl Remote for DynamoDbLocal {
    fn port(&self) -> u16 {
        self.port
    }

    fn impatient(&self, port: u16) -> DynamoDbBackend {
        at(port).timeout(LIMIT).build().unwrap()
    }

    async fn stop(&mut self) {
        self.process = None;
    }

    async fn start_again(&mut self) {
        assert!(self.run(), "the server does not start again on its port");
        self.backend().create_table().await.unwrap();
    }
}
