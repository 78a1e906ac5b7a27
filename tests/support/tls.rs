//! An origin that speaks TLS, and the authority that vouches for it.

use super::{Origin, Seen, Then, origin::Stream};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io;
use std::sync::Arc;

/// Who a server is, in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
    /// The certificate of the authority that vouches for it.
    pub(crate) authority: String,
}

impl Identity {
    /// Of that host.
    pub(crate) fn of(host: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();

        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        // A name other than the authority's, or it would look like a certificate that signs itself.
        params.distinguished_name.push(DnType::CommonName, host);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            authority: authority.pem(),
        }
    }
}

/// Answers in TLS as that host. The authority's certificate, in PEM, comes with it.
pub(crate) fn tls_origin(
    host: &str,
    answer: impl Fn(&Seen, &mut dyn Stream) -> io::Result<Then> + Send + Sync + 'static,
) -> (Origin, String) {
    let identity = Identity::of(host);
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let origin = Origin::with_streams(
        move |stream| {
            let connection = ServerConnection::new(config.clone()).expect("a good configuration");
            Ok(StreamOwned::new(connection, stream))
        },
        move |seen, stream| {
            let then = answer(seen, stream)?;
            stream.flush()?;
            Ok(then)
        },
    );
    (origin, identity.authority)
}
