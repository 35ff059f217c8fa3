//! A certificate authority for one test.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A CA, and what it signed: a certificate for a client, and one for a server that is `localhost`, 127.0.0.1 and
/// `hunter2.example`, a name that no error may show. All PEM.
#[derive(Clone)]
pub struct Certs {
    pub ca: String,
    pub server: String,
    pub server_key: String,
    pub client: String,
    pub client_key: String,
}

impl Certs {
    /// A new CA each time.
    pub fn generate() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "CA of a test"); // another name than the leaves'
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let sign = |names: &[&str]| {
            let key = KeyPair::generate().unwrap();
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &ca).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let (server, server_key) = sign(&["localhost", "127.0.0.1", "hunter2.example"]);
        let (client, client_key) = sign(&["client"]);
        Self { ca: ca.pem(), server, server_key, client, client_key }
    }
}
