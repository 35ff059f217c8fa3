//! A Cloudflare Worker of one test, run by miniflare over a local KV namespace.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Certs,
    process::{Process, on_free_ports},
};

/// The line that installs what is missing.
const INSTALL: &str = "apt-get install nodejs npm, then tests/servers/install workers";

/// Where a Worker's script is, from the root of the repository, and what it finds in its environment.
pub struct WorkerScript {
    pub path: &'static str,
    /// The binding of its namespace.
    pub namespace: &'static str,
    pub bindings: Value,
    /// TLS, with these certificates.
    pub certs: Option<Certs>,
}

/// A Worker on a free loopback port. Killed when dropped.
pub struct Worker {
    process: Option<Process>,
    dir: TempDir,
    script: WorkerScript,
    pub port: u16,
}

impl Worker {
    pub fn start(script: WorkerScript) -> Self {
        let mut worker = Self { process: None, dir: tempfile::tempdir().unwrap(), script, port: 0 };
        on_free_ports(|| worker.run().then_some(()));
        worker
    }

    /// Ends the Worker at once, as a crash would. What its namespace holds is kept.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts a stopped Worker again on the same port, with what its namespace held.
    pub fn start_again(&mut self) {
        self.stop();
        assert!(self.run(), "the Worker does not start again on its port");
    }

    /// Another Worker on the same port, with what the namespace of this one holds.
    pub fn replaced_by(mut self, script: WorkerScript) -> Self {
        self.stop();
        self.script = script;
        self.start_again();
        self
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The status and the body of its answer to a request beside any library.
    pub async fn ask(&self, method: &str, path: &str, token: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let size = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n");
        let head = format!("{head}content-length: {size}\r\n\r\n");
        connection.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        let end = loop {
            if let Some(at) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(connection.read_buf(&mut answer).await.unwrap(), 0, "no answer");
        };
        let mut body = answer.split_off(end);
        let head = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        assert!(!head.contains("transfer-encoding"), "{head}");
        let size = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        while body.len() < size.map_or(0, |size| size.trim().parse().unwrap()) {
            assert_ne!(connection.read_buf(&mut body).await.unwrap(), 0, "half an answer");
        }
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }

    /// The files of its namespace, one after the other: names in a database, values as they are.
    pub fn contents(&self) -> Vec<u8> {
        let mut contents = Vec::new();
        let mut folders = vec![self.namespace()];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|found| found.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    contents.extend(fs::read(path).unwrap());
                }
            }
        }
        contents
    }

    /// Whether it came up.
    fn run(&mut self) -> bool {
        let (settings, ready) = (self.dir.path().join("settings"), self.dir.path().join("ready"));
        let _ = fs::remove_file(&ready); // of the time before
        fs::write(&settings, self.settings(&ready).to_string()).unwrap();
        let mut command = Command::new("node");
        command.arg(root().join("tests/servers/workers/control.mjs")).arg(settings).stdout(Stdio::null());
        self.process = Process::start(&mut command, INSTALL, || ready.exists());
        if self.process.is_some() {
            self.port = fs::read_to_string(ready).unwrap().parse().unwrap();
        }
        self.process.is_some()
    }

    fn settings(&self, ready: &Path) -> Value {
        let modules = root().join("target/workers");
        let found = modules.join("node_modules/miniflare").exists();
        assert!(found, "miniflare is missing. Install it: {INSTALL}");
        json!({
            "modules": modules,
            "script": root().join(self.script.path),
            "bindings": self.script.bindings,
            "namespace": self.script.namespace,
            "directory": self.namespace(),
            "port": self.port,
            "key": self.script.certs.as_ref().map(|certs| &certs.server_key),
            "certificate": self.script.certs.as_ref().map(|certs| &certs.server),
            "ready": ready,
        })
    }

    fn namespace(&self) -> PathBuf {
        self.dir.path().join("namespace")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
