//! A real redis-server of one test.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use redis::{Connection, FromRedisValue};
use tempfile::TempDir;

use crate::{
    Certs,
    process::{Process, free_port, on_free_ports},
};

/// The user with which tests look into the server, whatever they do to its other users.
const ADMIN: &str = "tests-admin";
const ADMIN_PASSWORD: &str = "tests-admin-password";

/// How a server is to run.
#[derive(Default)]
pub struct Options {
    /// TLS on a second port, with these certificates.
    pub certs: Option<Certs>,
    /// Whether TLS clients must present a certificate of this CA.
    pub client_certificate: bool,
    /// Further lines of `redis.conf`.
    pub config: String,
}

/// A redis-server on free loopback ports and a unix socket, with a directory of its own. Killed when dropped.
pub struct Server {
    process: Option<Process>,
    dir: TempDir,
    options: Options,
    pub port: u16,
    pub tls_port: u16,
}

impl Server {
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Self { process: None, dir, options, port: 0, tls_port: 0 };
        on_free_ports(|| {
            (server.port, server.tls_port) = (free_port(), free_port());
            server.run().then_some(())
        });
        server
    }

    /// Ends the server at once, as a crash would. What it held is lost.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts a stopped server again on the same ports.
    pub fn start_again(&mut self) {
        self.stop();
        assert!(self.run(), "the server does not start again on its ports");
    }

    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Stops the server's process where it stands: its port still takes connections, and nothing is answered.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.process.as_ref().unwrap().id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn tls_url(&self) -> String {
        format!("rediss://localhost:{}", self.tls_port)
    }

    pub fn unix_url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub fn certs(&self) -> &Certs {
        self.options.certs.as_ref().unwrap()
    }

    /// Does something on the server beside the library, such as `["CONFIG", "SET", "maxmemory", "1"]`.
    pub fn admin<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let mut cmd = redis::cmd(command[0]);
        cmd.arg(&command[1..]);
        cmd.query(&mut self.connect().unwrap()).unwrap()
    }

    fn connect(&self) -> redis::RedisResult<Connection> {
        let url = format!("{}?user={ADMIN}&pass={ADMIN_PASSWORD}", self.unix_url());
        redis::Client::open(url)?.get_connection_with_timeout(Duration::from_secs(5))
    }

    /// Whether it came up.
    fn run(&mut self) -> bool {
        let config = self.dir.path().join("redis.conf");
        fs::write(&config, self.config()).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&config).current_dir(&self.dir).stdout(Stdio::null());
        let ready = || self.connect().is_ok_and(|mut it| redis::cmd("PING").query::<String>(&mut it).is_ok());
        self.process = Process::start(&mut command, "apt-get install redis-server", ready);
        self.process.is_some()
    }

    fn config(&self) -> String {
        let mut config = format!(
            "bind 127.0.0.1\nport {}\nunixsocket {}\nlogfile {}\nsave \"\"\nappendonly no\n{}",
            self.port,
            self.socket().display(),
            self.log().display(),
            admin(),
        );
        if let Some(certs) = &self.options.certs {
            let auth = if self.options.client_certificate { "yes" } else { "no" };
            writeln!(config, "tls-port {}\ntls-auth-clients {auth}", self.tls_port).unwrap();
            config += &tls(certs, self.dir.path());
        }
        config + &self.options.config
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }
}

/// The line of a configuration that makes the user with which tests look into the server.
pub(crate) fn admin() -> String {
    format!("user {ADMIN} on >{ADMIN_PASSWORD} ~* &* +@all\n")
}

/// The login of that user, as a URL has it.
pub(crate) fn admin_login() -> String {
    format!("{ADMIN}:{ADMIN_PASSWORD}")
}

/// The lines of a configuration for TLS with these certificates, which are put into files.
pub(crate) fn tls(certs: &Certs, dir: &Path) -> String {
    let files = [
        ("tls-ca-cert-file", &certs.ca),
        ("tls-cert-file", &certs.server),
        ("tls-key-file", &certs.server_key),
    ];
    let line = |(setting, pem): (&str, &String)| {
        let file = dir.join(setting);
        fs::write(&file, pem).unwrap();
        format!("{setting} {}\n", file.display())
    };
    files.into_iter().map(line).collect()
}
