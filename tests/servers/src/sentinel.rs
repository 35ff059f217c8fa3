//! A real Redis behind real Sentinels, of one test.

use std::{
    fmt::Write as _,
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use blindcache::{RedisBackend, conformance::Expiry};
use tempfile::TempDir;

use crate::{
    Certs, Options, Remote, Server, Store,
    cluster::short,
    process::{Process, free_port, on_free_ports},
    server::{admin, admin_login, tls},
    until_so,
};

/// The name under which the sentinels know the master.
pub const SERVICE: &str = "mymaster";

/// A sentinel, which is a redis-server in another mode. Killed when dropped.
pub struct Sentinel {
    _process: Process,
    _dir: TempDir,
    pub port: u16,
    tls_port: u16,
}

impl Sentinel {
    /// Watches a master with others, two of which agree on what becomes of it.
    pub fn start(master: &Server, config: &str) -> Self {
        on_free_ports(|| Self::run(master.port, config, None))
    }

    /// Watches a master over TLS, and has TLS on a second port.
    pub fn by_tls(master: &Server, certs: &Certs) -> Self {
        on_free_ports(|| {
            Self::run(master.tls_port, "tls-replication yes\ntls-auth-clients no\n", Some(certs))
        })
    }

    fn run(master: u16, config: &str, certs: Option<&Certs>) -> Option<Self> {
        let (dir, port, tls_port) = (tempfile::tempdir().unwrap(), free_port(), free_port());
        let mut text =
            format!("bind 127.0.0.1\nport {port}\nlogfile {}\n{}", dir.path().join("log").display(), admin());
        writeln!(text, "sentinel monitor {SERVICE} 127.0.0.1 {master} 2").unwrap();
        for setting in ["down-after-milliseconds SERVICE 700", "failover-timeout SERVICE 3000"] {
            writeln!(text, "sentinel {}", setting.replace("SERVICE", SERVICE)).unwrap();
        }
        if let Some(certs) = certs {
            writeln!(text, "tls-port {tls_port}\n{}", tls(certs, dir.path())).unwrap();
        }
        let file = dir.path().join("sentinel.conf");
        fs::write(&file, text + config).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel").current_dir(&dir).stdout(Stdio::null());
        let ready = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        let process = Process::start(&mut command, "apt-get install redis-server", ready)?;
        Some(Self { _process: process, _dir: dir, port, tls_port })
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn tls_url(&self) -> String {
        format!("rediss://localhost:{}", self.tls_port)
    }

    /// Does something on the sentinel beside the library.
    pub fn admin<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client =
            redis::Client::open(format!("redis://{}@127.0.0.1:{}", admin_login(), self.port)).unwrap();
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(5)).unwrap();
        redis::cmd(command[0]).arg(&command[1..]).query(&mut connection).unwrap()
    }

    /// The port of the master, by what it says.
    pub fn master(&self) -> u16 {
        let address: Vec<String> = self.admin(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]);
        address[1].parse().unwrap()
    }

    fn field(&self, of: &str) -> usize {
        let fields: Vec<String> = self.admin(&["SENTINEL", "MASTER", SERVICE]);
        let at = fields.iter().position(|field| field == of).unwrap();
        fields[at + 1].parse().unwrap()
    }
}

/// A master with two replicas, and three sentinels.
pub struct Trio {
    pub servers: Vec<Server>,
    pub sentinels: Vec<Sentinel>,
    down: Vec<usize>,
}

impl Trio {
    pub async fn with(config: &str, sentinel_config: &str) -> Self {
        let options = |more: String| Options {
            config: format!("repl-diskless-sync-delay 0\n{config}{more}"),
            ..Options::default()
        };
        let master = Server::with(options(String::new()));
        let follow = format!("replicaof 127.0.0.1 {}\n", master.port);
        let replicas = [(); 2].map(|()| Server::with(options(follow.clone())));
        let sentinels = (0..3).map(|_| Sentinel::start(&master, sentinel_config)).collect();
        let servers = [master].into_iter().chain(replicas).collect();
        let trio = Self { servers, sentinels, down: Vec::new() };
        trio.settled().await;
        trio
    }

    /// Waits until the sentinels know each other and the replicas, and agree on a master that says it is one.
    pub async fn settled(&self) {
        until_so("the sentinels settle", || {
            let master = self.sentinels[0].master();
            let know = |sentinel: &Sentinel| {
                sentinel.master() == master
                    && sentinel.field("num-other-sentinels") == 2
                    && sentinel.field("num-slaves") == 2
            };
            let up = |server: &Server| {
                server.port == master && server.role() == "master"
                    || server.port != master
                        && server.admin::<String>(&["INFO", "replication"]).contains("master_link_status:up")
            };
            self.sentinels.iter().all(know) && self.up().all(|at| up(&self.servers[at]))
        })
        .await;
    }

    fn up(&self) -> impl Iterator<Item = usize> {
        (0..self.servers.len()).filter(|at| !self.down.contains(at))
    }

    /// The server that the sentinels call the master.
    pub fn master(&self) -> usize {
        let port = self.sentinels[0].master();
        self.servers.iter().position(|server| server.port == port).unwrap()
    }

    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Sentinel::url).collect()
    }

    /// A backend with the short limits of the fault tests.
    pub fn impatient(&self) -> RedisBackend {
        short(RedisBackend::sentinel_builder(SERVICE, self.urls())).build().unwrap()
    }

    pub fn kill(&mut self, at: usize) {
        self.servers[at].stop();
        self.down.push(at);
    }

    pub fn bring_back(&mut self, at: usize) {
        self.servers[at].start_again();
        self.down.retain(|down| *down != at);
    }
}

impl Store for Trio {
    type Backend = RedisBackend;

    const NAME: &'static str = "redis";
    const EXPIRY: Expiry = Expiry::Exact;

    async fn start() -> Self {
        Self::with("", "").await
    }

    fn backend(&self) -> RedisBackend {
        RedisBackend::sentinel(SERVICE, self.urls()).unwrap()
    }

    async fn contents(&self) -> Vec<u8> {
        Store::contents(&self.servers[self.master()]).await
    }
}

/// Stopped, it lacks its master, whose place a replica takes; started, it has it back as a replica.
impl Remote for Trio {
    fn port(&self) -> u16 {
        self.servers[0].port
    }

    /// A master of another name at a port that is a proxy's: watched, but never given up.
    fn impatient(&self, port: u16) -> RedisBackend {
        if port == self.port() {
            return Self::impatient(self);
        }
        let service = format!("proxied-{port}");
        for sentinel in &self.sentinels {
            let _: () =
                sentinel.admin(&["SENTINEL", "MONITOR", &service, "127.0.0.1", &port.to_string(), "3"]);
            let _: () = sentinel.admin(&["SENTINEL", "SET", &service, "down-after-milliseconds", "3600000"]);
        }
        short(RedisBackend::sentinel_builder(&service, self.urls())).build().unwrap()
    }

    async fn stop(&mut self) {
        self.kill(self.master());
    }

    async fn start_again(&mut self) {
        self.settled().await; // a replica has taken its place
        for at in self.down.clone() {
            assert_ne!(self.master(), at);
            self.bring_back(at);
        }
        self.settled().await;
    }
}
