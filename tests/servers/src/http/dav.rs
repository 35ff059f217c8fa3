//! nginx with WebDAV: a directory, without expiry.

use std::fs;

use blindcache::{HttpBackend, conformance::Expiry};

use super::{PATIENT, nginx::Nginx, plain};
use crate::{Certs, Remote, Store};

/// An nginx that keeps each entry as a file and takes no notice of a ttl.
pub struct Dav(Nginx);

impl Dav {
    /// With TLS and HTTP/2.
    pub fn with_tls() -> Self {
        Self::with(Some(Certs::generate()))
    }

    fn with(certs: Option<Certs>) -> Self {
        let location = |dir: &std::path::Path| {
            fs::create_dir_all(dir.join("files/cache")).unwrap();
            format!("root {}/files; dav_methods PUT DELETE;", dir.display())
        };
        Self(Nginx::start("", location, certs))
    }

    /// Of one with TLS.
    pub fn certs(&self) -> &Certs {
        self.0.certs.as_ref().unwrap()
    }

    /// Whether every request so far was HTTP/2.
    pub fn spoke_http_2(&self) -> bool {
        let versions = self.0.versions();
        !versions.is_empty() && versions.lines().all(|version| version == "HTTP/2.0")
    }

    /// The backend for one with TLS.
    pub fn tls_backend(&self) -> HttpBackend {
        let ca = self.certs().ca.as_str();
        let url = format!("https://localhost:{}", self.0.port);
        HttpBackend::builder(&url).timeout(PATIENT).ca_certificates(ca).build().unwrap()
    }
}

impl Store for Dav {
    type Backend = HttpBackend;

    const NAME: &'static str = "http";
    const EXPIRY: Expiry = Expiry::Ignored;

    async fn start() -> Self {
        Self::with(None)
    }

    fn backend(&self) -> HttpBackend {
        plain(self.0.port).build().unwrap()
    }

    async fn contents(&self) -> Vec<u8> {
        let mut contents = Vec::new();
        for file in fs::read_dir(self.0.dir().join("files/cache")).unwrap() {
            let path = file.unwrap().path();
            contents.extend_from_slice(path.as_os_str().as_encoded_bytes());
            contents.extend(fs::read(path).unwrap());
        }
        contents
    }
}

impl Remote for Dav {
    fn port(&self) -> u16 {
        self.0.port
    }

    fn impatient(&self, port: u16) -> HttpBackend {
        super::impatient(port)
    }

    async fn stop(&mut self) {
        self.0.stop();
    }

    async fn start_again(&mut self) {
        self.0.start_again();
    }
}
