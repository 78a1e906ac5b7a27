//! TLS to origins of `https`: verified, always.

use super::server;
use crate::config::Settings;
use crate::error::Failure;
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
    connector: OnceLock<TlsConnector>,
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
            connector: OnceLock::new(),
        })
    }

    fn connector(&self) -> &TlsConnector {
        self.connector.get_or_init(|| {
            let roots = self.roots.clone().unwrap_or_else(system_roots);
            let config = ClientConfig::builder().with_root_certificates(roots);
            let mut config = config.with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            TlsConnector::from(Arc::new(config))
        })
    }

    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        target: &Target,
        limit: Duration,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let failed = |reason: String| Failure::Tls {
            server: server(target),
            reason,
        };
        let name = match &target.host {
            Host::Address(address) => ServerName::IpAddress((*address).into()),
            Host::Name(name) => ServerName::try_from(name.to_string())
                .map_err(|_| failed("its name cannot be in a certificate".into()))?,
        };
        let handshake = self.connector().connect(name, stream);
        match tokio::time::timeout(limit, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("no answer within {limit:?}"))),
        }
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
