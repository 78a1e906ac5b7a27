//! TLS to origins of `https`: verified, always.

use crate::config::Settings;
use crate::error::{Failure, TlsFault};
use crate::http::{Host, Target};
use anyhow::Context as _;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(super) struct Tls {
    /// From `tls_outgoing_cafile`; else the system's are read when they are first needed.
    roots: Option<RootCertStore>,
    trust: OnceLock<Trust>,
}

struct Trust {
    connector: TlsConnector,
    /// Whether there is no authority at all.
    nobody: bool,
}

impl Tls {
    pub(super) fn new(settings: &Settings) -> anyhow::Result<Tls> {
        let roots = settings.tls_outgoing_cafile.as_deref().map(|path| {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path)? {
                roots.add(certificate?)?;
            }
            match roots.is_empty() {
                true => anyhow::bail!("there is no certificate in it"),
                false => Ok(roots),
            }
        });
        let roots = roots
            .transpose()
            .context("tls_outgoing_cafile cannot be used")?;
        Ok(Tls {
            roots,
            trust: OnceLock::new(),
        })
    }

    fn trust(&self) -> &Trust {
        self.trust.get_or_init(|| {
            let roots = self.roots.clone().unwrap_or_else(system_roots);
            let nobody = roots.is_empty();
            let config = ClientConfig::builder().with_root_certificates(roots);
            let mut config = config.with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Trust {
                connector: TlsConnector::from(Arc::new(config)),
                nobody,
            }
        })
    }

    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        target: &Target,
        limit: Duration,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let failed = |fault, reason: String| Failure::Tls {
            server: target.server(),
            reason,
            fault,
        };
        let name = match &target.host {
            Host::Address(address) => ServerName::IpAddress((*address).into()),
            Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|_| {
                failed(
                    TlsFault::NoTls,
                    "its name cannot be in a certificate".into(),
                )
            })?,
        };
        let trust = self.trust();
        let handshake = trust.connector.connect(name, stream);
        match tokio::time::timeout(limit, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(failed(fault(&error, trust.nobody), error.to_string())),
            Err(_) => Err(failed(
                TlsFault::Connection,
                format!("no answer within {limit:?}"),
            )),
        }
    }
}

/// Where a handshake that failed has to be mended.
fn fault(error: &std::io::Error, nobody_is_trusted: bool) -> TlsFault {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) if nobody_is_trusted => TlsFault::NoAuthorities,
        Some(rustls::Error::InvalidCertificate(_)) => TlsFault::Certificate,
        Some(_) => TlsFault::NoTls,
        None => TlsFault::Connection,
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!("some of the system's certificates cannot be read: {error}");
    }
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::error!(
            "the system has no certificates: nothing can be fetched from https:// origins; install ca-certificates or set tls_outgoing_cafile"
        );
    }
    roots
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, CertificateError, Error};
    use std::io;

    #[test]
    fn a_handshake_that_fails_is_to_be_mended_where_its_fault_is() {
        let certificate = || io::Error::other(Error::from(CertificateError::UnknownIssuer));
        assert_eq!(fault(&certificate(), false), TlsFault::Certificate);
        assert_eq!(fault(&certificate(), true), TlsFault::NoAuthorities);
        let alert = Error::AlertReceived(AlertDescription::ProtocolVersion);
        assert_eq!(fault(&io::Error::other(alert), true), TlsFault::NoTls);
        let broken = io::ErrorKind::ConnectionReset.into();
        assert_eq!(fault(&broken, true), TlsFault::Connection);
    }
}
