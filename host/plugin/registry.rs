//! Components in registries for containers (OCI), as the CNCF's layout has them there: pulled,
//! verified, and kept on the disk, where they need no registry any more.

mod blobs;
mod client;
mod credentials;
mod layout;
mod progress;
mod reference;
mod session;
mod trouble;

pub use layout::Artifact;
pub use reference::{Reference, SCHEME};
pub use trouble::Trouble;

use super::digest::Digest;
use crate::config::cache_directory;
use blobs::Blobs;
use client::{Client, Pulled};
use session::Action;
use std::time::Duration;

/// The way to registries, and what has been pulled.
#[derive(Debug)]
pub struct Registry {
    cache: Option<Blobs>,
    limits: Limits,
}

/// What a registry may cost.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// How long it may say nothing.
    idle: Duration,
    /// How long a pull or a push may take.
    whole: Duration,
    /// Octets of a component.
    size: u64,
}

const LIMITS: Limits = Limits {
    idle: Duration::from_secs(30),
    whole: Duration::from_secs(600),
    size: 64 << 20,
};

// === impl Registry ===

impl Registry {
    /// With the usual limits, and the cache where the system keeps such things.
    pub fn usual() -> Registry {
        Registry {
            cache: cache_directory("components").map(|folder| Blobs::new(folder, LIMITS.size)),
            limits: LIMITS,
        }
    }

    /// The component that a reference names, for that plugin: from the cache if it is there. Blocks
    /// for as long as it takes.
    ///
    /// # Errors
    /// Why there is none. A reference without a digest never has one.
    pub fn pull(&self, plugin: &str, reference: &Reference) -> Result<Vec<u8>, Trouble> {
        let Some(pinned) = reference.digest() else {
            return Err(self.unpinned(reference));
        };
        if let Some(component) = self.cached(pinned) {
            return Ok(component);
        }
        let Pulled {
            manifest,
            component,
        } = self.talk(reference, Action::Pull, async |client| {
            client.pull(pinned, plugin).await
        })?;
        if let Some(cache) = &self.cache {
            cache.put(&component);
            cache.put(&manifest);
        }
        let size = progress::kilobytes(component.len() as u64);
        tracing::info!("plugin `{plugin}`: pulled {reference} ({size} KB)");
        Ok(component)
    }

    /// Pushes an artifact under that name; gives the reference that names it for good.
    ///
    /// # Errors
    /// Why it could not.
    pub fn push(&self, reference: &Reference, artifact: &Artifact) -> Result<Reference, Trouble> {
        let limit = self.limits.size;
        if artifact.size() > limit {
            let what = format!("its component is larger than {} MB", limit >> 20);
            return Err(Trouble::new(what, "that is the most that is pulled"));
        }
        let pinned = reference.pinned(artifact.digest());
        self.talk(reference, Action::Push, async |client| {
            client.push(artifact).await
        })?;
        Ok(pinned)
    }

    /// What has been pulled before: the manifest, and what this names.
    fn cached(&self, pinned: Digest) -> Option<Vec<u8>> {
        let cache = self.cache.as_ref()?;
        let manifest = cache.get(&pinned)?;
        let layer = layout::read(&manifest, self.limits.size).ok()?;
        cache.get(&layer.digest)
    }

    /// A tag can be moved to other code, and that would decide about requests without anybody's
    /// having looked at it.
    fn unpinned(&self, reference: &Reference) -> Trouble {
        let now = async |client: Client| client.named_now().await;
        let help = match self.talk(reference, Action::Pull, now) {
            Ok(digest) => format!(
                "what it names at this time is: component = \"{}\"",
                reference.pinned(digest)
            ),
            Err(trouble) => format!(
                "`wproxy plugin push` prints the reference with its digest ({})",
                trouble.what
            ),
        };
        let what = "it has no digest, and a tag can be moved to other code";
        Trouble::new(what, help)
    }

    /// Talks to a registry, and waits for what comes of it.
    fn talk<T>(
        &self,
        reference: &Reference,
        action: Action,
        talk: impl AsyncFnOnce(Client) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                let what = format!("{} cannot be asked: {error}", reference.registry());
                Trouble::new(what, "this machine has too little of something")
            })?;
        let limit = self.limits.whole;
        let talk = async {
            let client = Client::new(reference, self.limits, action).await?;
            talk(client).await
        };
        let said = runtime.block_on(async { tokio::time::timeout(limit, talk).await });
        said.unwrap_or_else(|_| Err(Trouble::slow(reference, limit)))
    }
}

#[cfg(test)]
mod tests;
