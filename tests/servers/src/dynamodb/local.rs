//! AWS's own DynamoDB Local, a Java program.

use std::{
    env,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use blindcache::{DynamoDbBackend, conformance::Expiry};
use tempfile::TempDir;

use super::{Dynoxide, at, contents, patient};
use crate::{
    LIMIT, Remote, Store,
    process::{Process, free_port, on_free_ports},
};

/// The folder with `DynamoDBLocal.jar` in it.
const FOLDER: &str = "BLINDCACHE_DYNAMODB_LOCAL";
const INSTALL: &str = "apt-get install default-jdk-headless";

/// A server on a free port of 127.0.0.1 alone. Killed when dropped. What it holds is on disk and outlives that.
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
            .arg("-Xmx256m")
            .arg("--class-path")
            .arg(folder.join("DynamoDBLocal.jar"))
            .arg(launcher)
            .args(["-sharedDb", "-disableTelemetry", "-dbPath"])
            .arg(self.dir.path())
            .args(["-port", &self.port.to_string()])
            .current_dir(&self.dir)
            .stdout(Stdio::null());
        let port = self.port;
        let ready = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        self.process = Process::start(&mut command, INSTALL, ready);
        self.process.is_some()
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
    }
}
