//! TLS for every backend that has it, by rustls with an explicit provider: nothing process-wide is read or set.

use std::{fmt, io, sync::Arc};

use rustls::{
    AlertDescription, ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use zeroize::Zeroizing;

use crate::error::BackendErrorKind::{self, Denied, Misconfigured, Rejected, Transient};

/// What cannot work in the settings, in words for an error.
type Flaw = &'static str;

/// Whom to trust and as whom to appear.
#[derive(Default)]
pub(super) struct Tls {
    /// PEM certificates to trust in place of the system's.
    pub(super) ca: Option<Vec<u8>>,
    /// PEM chain and PEM key.
    pub(super) client: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

impl Tls {
    pub(super) fn is_set(&self) -> bool {
        self.ca.is_some() || self.client.is_some()
    }

    /// For clients that want a configuration though they never connect by TLS.
    #[cfg(any(feature = "http", feature = "cloudflare-kv", feature = "upstash"))]
    pub(super) fn trusting_nobody() -> Result<Arc<ClientConfig>, Flaw> {
        Ok(Arc::new(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
    }

    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, Flaw> {
        let roots = match &self.ca {
            Some(pem) => given_roots(pem)?,
            None => system_roots()?,
        };
        let config = builder()?.with_root_certificates(roots);
        let config = match &self.client {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|_| "the client's key is not a PEM private key")?;
                config
                    .with_client_auth_cert(certificates(chain)?, key)
                    .map_err(|_| "the client's certificate and key do not fit")?
            }
        };
        Ok(Arc::new(config))
    }
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Flaw> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| "no version of TLS")
}

/// What is wrong with TLS, in words of ours: rustls's own show names that the server sent.
pub(super) fn words(err: &rustls::Error) -> Flaw {
    use rustls::CertificateError as Certificate;
    match err {
        rustls::Error::InvalidCertificate(flaw) => match flaw {
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                "the server's certificate has expired"
            }
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet"
            }
            Certificate::UnknownIssuer => "the server's certificate is of a CA that is not trusted",
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "the server's certificate is for another name"
            }
            Certificate::Revoked => "the server's certificate was revoked",
            _ => "the server's certificate was refused",
        },
        rustls::Error::PeerIncompatible(_) => "the server has no version or cipher in common with us",
        rustls::Error::AlertReceived(alert) if blames_us(*alert) => {
            "the server refused our certificate, or wants one"
        }
        rustls::Error::AlertReceived(_) => "the server ended the handshake or the connection",
        rustls::Error::InvalidMessage(_) => "what the server sent is not TLS",
        _ => "the handshake or the connection failed",
    }
}

fn given_roots(pem: &[u8]) -> Result<RootCertStore, Flaw> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|_| "the CA is not a certificate of a CA")?;
    }
    Ok(roots)
}

/// What the system trusts. Some of it may be unreadable; nothing at all is an error.
fn system_roots() -> Result<RootCertStore, Flaw> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err("the system has no CA certificates: give the server's CA");
    }
    Ok(roots)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err("no PEM certificate found"),
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ca, client) = (self.ca.is_some(), self.client.is_some());
        f.debug_struct("Tls").field("ca", &ca).field("client", &client).finish()
    }
}

/// The error of TLS that this one of a socket holds.
pub(super) fn error_in(err: &io::Error) -> Option<rustls::Error> {
    err.get_ref()?.downcast_ref::<rustls::Error>().cloned()
}

/// What an error of TLS means to a caller.
pub(super) fn kind(err: &rustls::Error) -> BackendErrorKind {
    match err {
        rustls::Error::InvalidCertificate(_) | rustls::Error::PeerIncompatible(_) => Misconfigured,
        rustls::Error::AlertReceived(alert) if blames_us(*alert) => Denied,
        rustls::Error::InvalidMessage(_) => Rejected,
        _ => Transient,
    }
}

/// Whether the server means that our certificate is missing or not one it accepts.
fn blames_us(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError // signed by a CA of the same name
            | Alert::HandshakeFailure // what TLS 1.2 servers send for a missing certificate
    )
}

/// What a handshake fails with where the server's certificate is for a name that must not be in an error of ours.
#[cfg(test)]
#[cfg(any(feature = "redis", feature = "memcached"))]
pub(super) fn for_hunter2() -> io::Error {
    let expected = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let presented = vec!["DnsName(\"hunter2.example\")".to_owned()];
    let flaw = rustls::CertificateError::NotValidForNameContext { expected, presented };
    io::Error::other(rustls::Error::InvalidCertificate(flaw))
}
