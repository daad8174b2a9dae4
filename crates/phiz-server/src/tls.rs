//! HTTPS: a certificate from files, or one that is made once and kept in the home folder.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

use crate::server::ServerError;
use crate::settings::Settings;

/// Names of the files in the home folder.
const CERTIFICATE: &str = "tls-certificate.pem";
const KEY: &str = "tls-key.pem";

fn wrong(path: &Path, reason: impl std::fmt::Display) -> ServerError {
    ServerError::Tls { what: path.display().to_string(), reason: reason.to_string() }
}

/// What takes TLS connections, if the settings ask for it; and the fingerprint of a certificate that was made here.
pub(crate) fn acceptor(
    settings: &Settings,
    home: &Path,
) -> Result<(Option<tokio_rustls::TlsAcceptor>, Option<String>), ServerError> {
    let (certificate, key, own) = match (&settings.tls_certificate, &settings.tls_key) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone(), false),
        _ if settings.tls_self_signed => {
            let (certificate, key) = (home.join(CERTIFICATE), home.join(KEY));
            if !certificate.exists() || !key.exists() {
                make(settings, &certificate, &key)?;
            }
            (certificate, key, true)
        }
        _ => return Ok((None, None)),
    };
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| wrong(&certificate, e))?;
    let first = chain.first().ok_or_else(|| wrong(&certificate, "holds no certificate"))?;
    let fingerprint = own.then(|| {
        let bytes: Vec<String> = Sha256::digest(first).iter().map(|byte| format!("{byte:02X}")).collect();
        bytes.join(":")
    });
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|e| wrong(&key, e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(&certificate, e))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| wrong(&certificate, e))?;
    let mut config = config;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Some(tokio_rustls::TlsAcceptor::from(Arc::new(config))), fingerprint))
}

fn make(settings: &Settings, certificate: &Path, key: &Path) -> Result<(), ServerError> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
    names.extend(settings.hosts.iter().filter(|name| *name != "*").cloned());
    if !settings.listen.ip().is_unspecified() && !settings.listen.ip().is_loopback() {
        names.push(settings.listen.ip().to_string());
    }
    let made = rcgen::generate_simple_self_signed(names).map_err(|e| wrong(certificate, e))?;
    write(key, made.signing_key.serialize_pem().as_bytes()).map_err(|e| wrong(key, e))?;
    write(certificate, made.cert.pem().as_bytes()).map_err(|e| wrong(certificate, e))
}

/// Writes a file that only its owner may read.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}
