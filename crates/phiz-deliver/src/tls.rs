//! Whom we trust: the authorities that the operating system trusts.

use std::sync::{Arc, OnceLock};

use crate::{DeliverError, Result};

/// The system's certificates, read once. `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
fn certificates() -> &'static [rustls::pki_types::CertificateDer<'static>] {
    static READ: OnceLock<Vec<rustls::pki_types::CertificateDer<'static>>> = OnceLock::new();
    READ.get_or_init(|| rustls_native_certs::load_native_certs().certs)
}

/// How a connection is sealed.
pub(crate) fn config() -> Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(certificates().iter().cloned());
    if taken == 0 {
        return Err(DeliverError::System(
            "the operating system knows no certificate that could be trusted".into(),
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| DeliverError::System(error.to_string()))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// The same for `ureq`.
pub(crate) fn of_ureq() -> ureq::tls::TlsConfig {
    let roots: Vec<ureq::tls::Certificate<'static>> =
        certificates().iter().map(|der| ureq::tls::Certificate::from_der(der.as_ref()).to_owned()).collect();
    ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}
