//! An origin that speaks TLS, and the authority that vouches for it.

use super::{Origin, Seen, Then, origin::Stream};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io;
use std::sync::Arc;

/// Answers in TLS as that host. The authority's certificate, in PEM, comes with it.
pub(crate) fn tls_origin(
    host: &str,
    answer: impl Fn(&Seen, &mut dyn Stream) -> io::Result<Then> + Send + Sync + 'static,
) -> (Origin, String) {
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
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
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
    (origin, authority.pem())
}
