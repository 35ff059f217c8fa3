//! A real memcached of one test.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use blindcache::{MemcachedBackend, conformance::Expiry};
use tempfile::TempDir;

use crate::{
    Certs, LIMIT, Remote, Store,
    process::{Process, free_port, on_free_ports},
};

/// The largest entry in the tests that are not about sizes: the conformance rules have one of 1 MiB.
const MAX_ENTRY: usize = (2 << 20) - MemcachedBackend::OVERHEAD;

/// How a memcached is to run.
#[derive(Default, Clone)]
pub struct MemcachedOptions {
    /// Further arguments, such as `-m 2`.
    pub arguments: &'static [&'static str],
    /// Whether it listens on a unix socket, and on no port.
    pub unix: bool,
    /// TLS, with the certificate of [`Memcached::certs`].
    pub tls: bool,
    /// Whether TLS clients must present a certificate.
    pub client_certificate: bool,
}

/// A memcached on a free loopback port, with a directory of its own. Killed when dropped.
pub struct Memcached {
    process: Option<Process>,
    dir: TempDir,
    options: MemcachedOptions,
    certs: Option<Certs>,
    pub port: u16,
}

impl Memcached {
    /// With items of up to 2 MiB, for entries of 1 MiB.
    pub fn start() -> Self {
        Self::with(MemcachedOptions { arguments: &["-I", "2m"], ..MemcachedOptions::default() })
    }

    pub fn with(options: MemcachedOptions) -> Self {
        let certs = options.tls.then(Certs::generate);
        let dir = tempfile::tempdir().unwrap();
        let mut server = Self { process: None, dir, options, certs, port: 0 };
        on_free_ports(|| {
            server.port = free_port();
            server.run().then_some(())
        });
        server
    }

    /// Ends the server at once, as a crash would. What it held is lost.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts a stopped server again on the same port.
    pub fn start_again(&mut self) {
        self.stop();
        assert!(self.run(), "memcached does not start again on its port");
    }

    pub fn url(&self) -> String {
        format!("memcache://127.0.0.1:{}", self.port)
    }

    pub fn tls_url(&self) -> String {
        format!("memcache+tls://localhost:{}", self.port)
    }

    pub fn unix_url(&self) -> String {
        format!("memcache+unix://{}", self.socket().display())
    }

    pub fn certs(&self) -> &Certs {
        self.certs.as_ref().unwrap()
    }

    /// What a server without TLS answers to these lines, beside the library.
    pub fn ask(&self, lines: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(lines.as_bytes()).unwrap();
        stream.write_all(b"quit\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// A number of its `stats`.
    pub fn stat(&self, name: &str) -> u64 {
        let stats = String::from_utf8(self.ask("stats\r\n")).unwrap();
        let prefix = format!("STAT {name} ");
        stats.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap().parse().unwrap()
    }

    /// Every name that it holds.
    pub fn names(&self) -> Vec<String> {
        // The crawler answers on the connection by itself: `quit` behind it would end that first.
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"lru_crawler metadump all\r\n").unwrap();
        let (mut dump, mut piece) = (Vec::new(), [0; 64 * 1024]);
        while !dump.ends_with(b"END\r\n") {
            let size = stream.read(&mut piece).unwrap();
            assert!(size > 0, "the dump has no end");
            dump.extend_from_slice(&piece[..size]);
        }
        let dump = String::from_utf8(dump).unwrap();
        let keys = dump.lines().filter_map(|line| line.strip_prefix("key="));
        keys.map(|rest| rest.split(' ').next().unwrap().replace("%3A", ":")).collect()
    }

    /// Whether it came up.
    fn run(&mut self) -> bool {
        let port = self.port.to_string();
        let mut command = Command::new("memcached");
        command.current_dir(&self.dir).args(["-U", "0", "-u", "root"]).args(self.options.arguments);
        if self.options.unix {
            command.arg("-s").arg(self.socket());
        } else {
            command.args(["-l", "127.0.0.1", "-p", &port]);
        }
        if let Some(certs) = &self.certs {
            for (file, pem) in [("ca", &certs.ca), ("chain", &certs.server), ("key", &certs.server_key)] {
                fs::write(self.dir.path().join(file), pem).unwrap();
            }
            let verify = if self.options.client_certificate { ",ssl_verify_mode=2" } else { "" };
            command.args(["-Z", "-o", &format!("ssl_chain_cert=chain,ssl_key=key,ssl_ca_cert=ca{verify}")]);
        }
        let ready = || match self.options.unix {
            true => self.socket().exists(),
            false => TcpStream::connect(("127.0.0.1", self.port)).is_ok(),
        };
        self.process = Process::start(&mut command, "apt-get install memcached", ready);
        self.process.is_some()
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }
}

impl Store for Memcached {
    type Backend = MemcachedBackend;

    const NAME: &'static str = "memcached";
    const EXPIRY: Expiry = Expiry::AtLeast(MemcachedBackend::SHORTEST_TTL);

    async fn start() -> Self {
        Memcached::start()
    }

    fn backend(&self) -> MemcachedBackend {
        MemcachedBackend::builder(&self.url()).max_entry(MAX_ENTRY).build().unwrap()
    }

    /// The names by its crawler's dump, each with what it answers to a get of it.
    async fn contents(&self) -> Vec<u8> {
        let gets: String = self.names().iter().map(|name| format!("mg {name} v k\r\n")).collect();
        self.ask(&gets)
    }
}

impl Remote for Memcached {
    fn port(&self) -> u16 {
        self.port
    }

    fn impatient(&self, port: u16) -> MemcachedBackend {
        let builder = MemcachedBackend::builder(&format!("memcache://127.0.0.1:{port}"));
        builder.timeout(LIMIT).max_entry(MAX_ENTRY).build().unwrap()
    }

    async fn stop(&mut self) {
        Memcached::stop(self);
    }

    async fn start_again(&mut self) {
        Memcached::start_again(self);
    }
}
