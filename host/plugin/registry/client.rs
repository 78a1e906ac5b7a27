//! The conversation with a registry: OCI's distribution protocol.

use super::super::digest::Digest;
use super::credentials::Credentials;
use super::layout::{self, Artifact};
use super::progress::Progress;
use super::trouble::Trouble;
use super::{Limits, Reference};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use oci_client::RegistryOperation;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use oci_client::secrets::RegistryAuth;
use std::time::Duration;

/// A registry, and who asks it.
pub(super) struct Client {
    client: oci_client::Client,
    auth: RegistryAuth,
    reference: Reference,
    limits: Limits,
}

/// What has been pulled: both are what their digests say.
#[derive(Debug)]
pub(super) struct Pulled {
    pub(super) manifest: Bytes,
    pub(super) component: Vec<u8>,
}

/// Octets that are given to the connection at a time, for progress that is worth showing.
const PIECE: usize = 64 << 10;

// === impl Client ===

impl Client {
    /// Speaks of that reference to its registry: TLS with the system's certificates, and none at all
    /// on this machine.
    pub(super) fn new(
        reference: &Reference,
        credentials: Option<Credentials>,
        limits: Limits,
    ) -> Result<Client, Trouble> {
        // The first one stays: there is no other in this process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let registry = reference.registry().to_owned();
        let loopback = match reference.is_loopback() {
            true => ClientConfig {
                protocol: ClientProtocol::HttpsExcept(vec![registry]),
                // No proxy that the environment names is on the way to this machine. To name none
                // here would be to ask the environment.
                http_proxy: Some("http://127.0.0.1".into()),
                no_proxy: Some("localhost,127.0.0.0/8".into()),
                ..ClientConfig::default()
            },
            false => ClientConfig::default(),
        };
        let config = ClientConfig {
            use_monolithic_push: true,
            connect_timeout: Some(limits.idle),
            platform_resolver: None,
            user_agent: concat!("wproxy/", env!("CARGO_PKG_VERSION")),
            ..loopback
        };
        // What fails here is TLS: there is nobody to trust.
        let client = oci_client::Client::try_from(config);
        Ok(Client {
            client: client.map_err(|error| Trouble::untrusted(reference, &error))?,
            auth: match credentials {
                Some(Credentials { user, password }) => RegistryAuth::Basic(user, password),
                None => RegistryAuth::Anonymous,
            },
            reference: reference.clone(),
            limits,
        })
    }

    /// The artifact that the reference names: its manifest, then the component that this names.
    pub(super) async fn pull(self, pinned: Digest, plugin: &str) -> Result<Pulled, Trouble> {
        let manifest = self.manifest(pinned).await?;
        let layer = layout::read(&manifest, self.limits.size)
            .map_err(|why| Trouble::no_component(&self.reference, &why))?;
        let digest = layer.digest.to_string();
        let image = self.reference.image();
        let blob = self.client.pull_blob_stream(image, digest.as_str());
        let mut blob = self.answer(blob).await?;
        let what = format!(
            "plugin `{plugin}`: pulling from {}",
            self.reference.registry()
        );
        let mut progress = Progress::new(what, layer.size);
        let mut component = Vec::new();
        loop {
            let piece = match tokio::time::timeout(self.limits.idle, blob.next()).await {
                Ok(None) => break,
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => return Err(Trouble::broken(&self.reference, &error)),
                Err(_) => return Err(self.silent(self.limits.idle)),
            };
            if (component.len() + piece.len()) as u64 > layer.size {
                return Err(Trouble::something_else(&self.reference));
            }
            component.extend_from_slice(&piece);
            progress.add(piece.len());
        }
        match component.len() as u64 == layer.size && Digest::of(&component) == layer.digest {
            true => Ok(Pulled {
                manifest,
                component,
            }),
            false => Err(Trouble::something_else(&self.reference)),
        }
    }

    async fn manifest(&self, pinned: Digest) -> Result<Bytes, Trouble> {
        const ACCEPTED: [&str; 2] = [OCI_IMAGE_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE];
        let image = self.reference.image();
        let manifest = self.client.pull_manifest_raw(image, &self.auth, &ACCEPTED);
        let (manifest, _) = self.answer(manifest).await?;
        match Digest::of(&manifest) == pinned {
            true => Ok(manifest),
            false => Err(Trouble::something_else(&self.reference)),
        }
    }

    /// What its tag names at this time.
    pub(super) async fn named_now(self) -> Result<Digest, Trouble> {
        let image = self.reference.image();
        let digest = self.client.fetch_manifest_digest(image, &self.auth);
        let digest = self.answer(digest).await?;
        let strange = |_| Trouble::strange(&self.reference, &format!("its digest is {digest:?}"));
        digest.parse().map_err(strange)
    }

    /// The component, its configuration, and then the manifest that names them.
    pub(super) async fn push(self, artifact: &Artifact) -> Result<(), Trouble> {
        let image = self.reference.image();
        let registry = self.reference.registry();
        self.client.store_auth_if_needed(registry, &self.auth).await;
        // What is asked for first decides what the token is good for.
        let token = self.client.auth(image, &self.auth, RegistryOperation::Push);
        self.answer(token).await?;
        self.push_blob(&artifact.component).await?;
        self.push_blob(&artifact.config).await?;
        let kind = http::HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
        let manifest = artifact.manifest.clone();
        let pushed = self.client.push_manifest_raw(image, manifest, kind);
        self.answer(pushed).await?;
        Ok(())
    }

    async fn push_blob(&self, blob: &Bytes) -> Result<(), Trouble> {
        let image = self.reference.image();
        let digest = Digest::of(blob).to_string();
        // Some registries refuse to say that of a name that is new, and take what is pushed to it.
        let exists = self.answer(self.client.blob_exists(image, &digest)).await;
        if exists == Ok(true) {
            return Ok(());
        }
        let size = blob.len() as u64;
        let mut progress = Progress::new(format!("pushing to {}", self.reference.registry()), size);
        let blob = blob.clone();
        let starts = (0..blob.len()).step_by(PIECE);
        let pieces = stream::iter(starts.map(move |start| {
            let piece = blob.slice(start..blob.len().min(start + PIECE));
            progress.add(piece.len());
            Ok::<Bytes, OciDistributionError>(piece)
        }));
        let pushed = self
            .client
            .push_blob_stream(image, pieces, &digest, Some(size));
        // How fast it goes is the network's affair: only the whole has its limit.
        pushed.await.map_err(|error| self.failed(&error))?;
        Ok(())
    }

    /// An answer that does not keep anybody waiting. The library reads manifests, tokens and errors
    /// whole, by a client of its own that nobody else can have: how large they are is bounded by
    /// this time alone. Components come by a stream.
    async fn answer<T>(
        &self,
        asked: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<T, Trouble> {
        match tokio::time::timeout(self.limits.idle, asked).await {
            Ok(answer) => answer.map_err(|error| self.failed(&error)),
            Err(_) => Err(self.silent(self.limits.idle)),
        }
    }

    fn failed(&self, error: &OciDistributionError) -> Trouble {
        let known = self.auth != RegistryAuth::Anonymous;
        Trouble::from_client(error, &self.reference, known)
    }

    fn silent(&self, limit: Duration) -> Trouble {
        Trouble::silent(&self.reference, limit)
    }
}
