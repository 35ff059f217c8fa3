//! A real redis-server of one test.

use std::{
    fmt::Write as _,
    fs, io,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use redis::{Connection, FromRedisValue};
use tempfile::TempDir;

use crate::Certs;

/// The user with which tests look into the server, whatever they do to its other users.
const ADMIN: &str = "tests-admin";
const ADMIN_PASSWORD: &str = "tests-admin-password";
/// How long a server may take to start on a busy machine.
const STARTS: Duration = Duration::from_secs(30);

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
    child: Option<Child>,
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
        let mut server = Self { child: None, dir, options, port: 0, tls_port: 0 };
        // Another process may take a free port before the server does.
        for _ in 0..5 {
            (server.port, server.tls_port) = (free_port(), free_port());
            if server.run() {
                return server;
            }
        }
        panic!("redis-server does not start: {}", fs::read_to_string(server.log()).unwrap_or_default());
    }

    /// Ends the server at once, as a crash would. What it held is lost.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts a stopped server again on the same ports.
    pub fn start_again(&mut self) {
        self.stop();
        assert!(self.run(), "the server does not start again on its ports");
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
        command.arg(&config).current_dir(&self.dir).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().unwrap_or_else(|err| match err.kind() {
            io::ErrorKind::NotFound => {
                panic!("redis-server is missing. Install it: apt-get install redis-server")
            }
            _ => panic!("redis-server does not start: {err}"),
        });
        self.child = Some(child);
        self.comes_up()
    }

    fn comes_up(&mut self) -> bool {
        let deadline = Instant::now() + STARTS;
        while Instant::now() < deadline {
            if self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some()) {
                return false;
            }
            if self.connect().is_ok_and(|mut it| redis::cmd("PING").query::<String>(&mut it).is_ok()) {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn config(&self) -> String {
        let mut config = format!(
            "bind 127.0.0.1\nport {}\nunixsocket {}\nlogfile {}\nsave \"\"\nappendonly no\n\
             user {ADMIN} on >{ADMIN_PASSWORD} ~* &* +@all\n",
            self.port,
            self.socket().display(),
            self.log().display(),
        );
        if let Some(certs) = &self.options.certs {
            let auth = if self.options.client_certificate { "yes" } else { "no" };
            writeln!(config, "tls-port {}\ntls-auth-clients {auth}", self.tls_port).unwrap();
            for (setting, pem) in [
                ("tls-ca-cert-file", &certs.ca),
                ("tls-cert-file", &certs.server),
                ("tls-key-file", &certs.server_key),
            ] {
                let file = self.dir.path().join(setting);
                fs::write(&file, pem).unwrap();
                writeln!(config, "{setting} {}", file.display()).unwrap();
            }
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

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
