//! A real nginx of one test.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    Certs,
    process::{Process, free_port, on_free_ports},
};

pub(super) const INSTALL: &str = "apt-get install nginx libnginx-mod-http-lua lua-nginx-redis";

/// Debian's is where the path of a user who is not root does not lead.
fn program() -> &'static str {
    let debian = "/usr/sbin/nginx";
    if Path::new(debian).exists() { debian } else { "nginx" }
}

/// An nginx on a free loopback port, with a directory of its own, and one `location /cache/`. Killed when dropped.
pub(super) struct Nginx {
    process: Option<Process>,
    dir: TempDir,
    modules: &'static str,
    location: String,
    pub(super) certs: Option<Certs>,
    pub(super) port: u16,
}

impl Nginx {
    /// With certificates it speaks TLS, and HTTP/2.
    pub(super) fn start(
        modules: &'static str,
        location: impl FnOnce(&Path) -> String,
        certs: Option<Certs>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let location = location(dir.path());
        let mut nginx = Self { process: None, dir, modules, location, certs, port: 0 };
        on_free_ports(|| {
            nginx.port = free_port();
            nginx.run().then_some(())
        });
        nginx
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The version of HTTP of each request so far, one a line.
    pub(super) fn versions(&self) -> String {
        fs::read_to_string(self.dir().join("access.log")).unwrap()
    }

    pub(super) fn stop(&mut self) {
        self.process = None;
    }

    pub(super) fn start_again(&mut self) {
        self.stop();
        assert!(self.run(), "nginx does not start again on its port");
    }

    /// Whether it came up.
    fn run(&mut self) -> bool {
        let config = self.dir().join("nginx.conf");
        fs::write(&config, self.config()).unwrap();
        let mut command = Command::new(program());
        command.arg("-p").arg(self.dir()).arg("-c").arg(&config).stdout(Stdio::null());
        let port = self.port;
        self.process =
            Process::start(&mut command, INSTALL, move || TcpStream::connect(("127.0.0.1", port)).is_ok());
        self.process.is_some()
    }

    /// One process, so that killing it leaves none behind.
    fn config(&self) -> String {
        let (dir, port, location) = (self.dir().display(), self.port, &self.location);
        let (tls, certificates) = match &self.certs {
            None => ("", String::new()),
            Some(certs) => {
                fs::write(self.dir().join("server.pem"), &certs.server).unwrap();
                fs::write(self.dir().join("server.key"), &certs.server_key).unwrap();
                let lines =
                    format!("ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key;");
                (" ssl http2", lines)
            }
        };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {dir}/{what};\n"))
            .concat();
        format!(
            "{modules}
            daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;
            events {{ worker_connections 4096; }}
            http {{
                log_format versions $server_protocol; access_log {dir}/access.log versions;
                {temporary} default_type application/octet-stream;
                server {{
                    listen 127.0.0.1:{port}{tls}; {certificates}
                    client_max_body_size 8m;
                    location /cache/ {{ {location} }}
                }}
            }}",
            modules = self.modules,
        )
    }
}
