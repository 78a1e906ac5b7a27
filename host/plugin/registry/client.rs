//! The conversation with a registry: OCI's distribution protocol. Its library for Rust reads manifests,
//! tokens and errors whole, however long they are, so that only its types are used here.

use super::super::digest::Digest;
use super::credentials;
use super::layout::{self, Artifact};
use super::progress::Progress;
use super::session::{Action, Session};
use super::trouble::Trouble;
use super::{Limits, Reference};
use bytes::Bytes;
use futures_util::stream;
use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Body, Method, Response, Url};
use std::convert::Infallible;

/// A registry that is spoken to of one reference.
pub(super) struct Client {
    session: Session,
    reference: Reference,
    limits: Limits,
}

/// What has been pulled: both are what their digests say.
#[derive(Debug)]
pub(super) struct Pulled {
    pub(super) manifest: Vec<u8>,
    pub(super) component: Vec<u8>,
}

/// Octets of a manifest: the protocol wants no more to be taken by anybody.
const MANIFEST: usize = 4 << 20;
/// Octets that are given to the connection at a time, for progress that is worth showing.
const PIECE: usize = 64 << 10;

// === impl Client ===

impl Client {
    /// Speaks of that reference to its registry, with what is stored for it.
    pub(super) async fn new(
        reference: &Reference,
        limits: Limits,
        action: Action,
    ) -> Result<Client, Trouble> {
        let registry = reference.registry();
        let stored = match credentials::file() {
            Some(file) => credentials::stored(&file, registry),
            None => Ok(None),
        };
        let stored = stored.map_err(|why| {
            let help =
                format!("`docker login {registry}` writes it; DOCKER_CONFIG names its folder");
            Trouble::new(why, help)
        })?;
        Ok(Client {
            session: Session::begin(reference, stored, limits, action).await?,
            reference: reference.clone(),
            limits,
        })
    }

    /// The artifact that the reference names: its manifest, then the component that this names.
    pub(super) async fn pull(self, pinned: Digest, plugin: &str) -> Result<Pulled, Trouble> {
        let manifest = self.manifest(&pinned.to_string()).await?;
        if Digest::of(&manifest) != pinned {
            return Err(Trouble::something_else(&self.reference));
        }
        let layer = layout::read(&manifest, self.limits.size)
            .map_err(|why| Trouble::no_component(&self.reference, &why))?;
        let url = self.session.url(&format!("blobs/{}", layer.digest))?;
        let mut blob = self
            .session
            .open(self.session.request(Method::GET, url))
            .await?;
        let what = format!(
            "plugin `{plugin}`: pulling from {}",
            self.reference.registry()
        );
        let mut progress = Progress::new(what, layer.size);
        let mut component = Vec::new();
        while let Some(piece) = self.session.piece(&mut blob).await? {
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

    /// What its tag names at this time.
    pub(super) async fn named_now(self) -> Result<Digest, Trouble> {
        let tag = self.reference.tag().unwrap_or("latest");
        Ok(Digest::of(&self.manifest(tag).await?))
    }

    async fn manifest(&self, name: &str) -> Result<Vec<u8>, Trouble> {
        let url = self.session.url(&format!("manifests/{name}"))?;
        let request = self.session.request(Method::GET, url);
        let accepted = [OCI_IMAGE_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE].join(", ");
        let request = request.header(ACCEPT, accepted);
        self.session.ask(request, "its manifest", MANIFEST).await
    }

    /// The component, its configuration, and then the manifest that names them.
    pub(super) async fn push(self, artifact: &Artifact) -> Result<(), Trouble> {
        self.push_blob(&artifact.component).await?;
        self.push_blob(&artifact.config).await?;
        let tag = self.reference.tag().unwrap_or("latest");
        let url = self.session.url(&format!("manifests/{tag}"))?;
        let request = self.session.request(Method::PUT, url);
        let request = request
            .header(CONTENT_TYPE, OCI_IMAGE_MEDIA_TYPE)
            .body(artifact.manifest.clone());
        self.session.open(request).await.map(drop)
    }

    async fn push_blob(&self, blob: &Bytes) -> Result<(), Trouble> {
        let digest = Digest::of(blob).to_string();
        let url = self.session.url(&format!("blobs/{digest}"))?;
        let exists = self.session.request(Method::HEAD, url);
        // Some registries refuse to say that of a name that is new, and take what is pushed to it.
        if self.session.open(exists).await.is_ok() {
            return Ok(());
        }
        let url = self.session.url("blobs/uploads/")?;
        let begin = self.session.request(Method::POST, url);
        let begun = self.session.open(begin.header(CONTENT_LENGTH, 0)).await?;
        let mut place = self.place(&begun)?;
        place.query_pairs_mut().append_pair("digest", &digest);
        let size = blob.len() as u64;
        let mut progress = Progress::new(format!("pushing to {}", self.reference.registry()), size);
        let blob = blob.clone();
        let starts = (0..blob.len()).step_by(PIECE);
        let pieces = stream::iter(starts.map(move |start| {
            let piece = blob.slice(start..blob.len().min(start + PIECE));
            progress.add(piece.len());
            Ok::<Bytes, Infallible>(piece)
        }));
        let request = self.session.request(Method::PUT, place);
        let request = request
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, size)
            .body(Body::wrap_stream(pieces));
        // How fast it goes is the network's affair: only the whole has its limit.
        self.session.send(request).await.map(drop)
    }

    /// Where the registry wants a blob to be put.
    fn place(&self, begun: &Response) -> Result<Url, Trouble> {
        let place = begun.headers().get(LOCATION);
        let place = place.and_then(|place| place.to_str().ok());
        let place = place.and_then(|place| begun.url().join(place).ok());
        let nowhere = || Trouble::strange(&self.reference, &"it does not say where to push to");
        place.ok_or_else(nowhere)
    }
}
