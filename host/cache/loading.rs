//! What stands under a key: in memory, or else on the disk.

use super::disk::{Corrupt, Object};
use super::dossier::Dossier;
use super::stored::{Judged, Judging};
use super::*;
use bytes::{Bytes, BytesMut};

/// Octets of a body that is copied out of what was read with it.
const COPIED: u64 = 64 << 10;

impl Cache {
    /// The stored response that a request selects, or why there is none.
    pub(super) async fn find(
        &self,
        key: &Key,
        asked: &Asked,
    ) -> Result<(Arc<Stored>, Source), Forward> {
        match self.slot(key).await? {
            None => Err(Forward::UriMiss),
            Some((Slot::Response(stored), source)) => Ok((stored, source)),
            Some((Slot::Variants(vary), _)) => {
                let variant = key.variant(&vary, &asked.request.fields);
                // Memory may not take it: it is asked for less often than others.
                let _ = asked.varies.set(vary);
                match self.slot(&variant).await? {
                    Some((Slot::Response(stored), source)) => Ok((stored, source)),
                    _ => Err(Forward::VaryMiss),
                }
            }
        }
    }

    /// What stands under a key, in memory or else on the disk. What memory can hold, it gets.
    pub(super) async fn slot(&self, key: &Key) -> Result<Option<(Slot, Source)>, Forward> {
        if let Some(slot) = self.memory.get(key) {
            return Ok(Some((slot, Source::Memory)));
        }
        let Some(disk) = &self.disk else {
            return Ok(None);
        };
        let octets = key.to_octets();
        if !disk.may_have(&octets) {
            return Ok(None);
        }
        let epochs = || (self.epochs.of(key), self.placed.of(key));
        let before = epochs();
        let (disk, settings) = (disk.clone(), self.settings.clone());
        let (judgements, owned) = (self.judgements.clone(), key.clone());
        let load = tokio::task::spawn_blocking(move || {
            let judging = |object: &Object| judgements.of(&owned, object.metadata());
            load(&disk, &octets, &settings, judging)
        });
        let slot = match load.await {
            Ok(Ok(Some(slot))) => slot,
            Ok(Ok(None)) => return Ok(None),
            Ok(Err(_)) | Err(_) => return Err(Forward::Damaged),
        };
        if slot.is_on_disk() {
            return Ok(Some((slot, Source::Disk)));
        }
        // What has come there meanwhile is newer.
        let (slot, source) = match self.memory.put_if_absent(key, slot) {
            Ok(loaded) => (loaded, Source::Disk),
            Err(present) => (present, Source::Memory),
        };
        if epochs() != before {
            self.memory.remove(key);
        }
        Ok(Some((slot, source)))
    }
}

/// What stands under a key on the disk; what memory can hold, without its file. `judging`: what has
/// been said of an object that stays there.
fn load(
    disk: &Arc<Disk>,
    key: &[u8],
    settings: &Settings,
    judging: impl FnOnce(&Object) -> Judging,
) -> Result<Option<Slot>, Corrupt> {
    let Some(object) = disk.get(key)? else {
        return Ok(None);
    };
    let filed = match dossier::read(object.metadata(), &settings.targeted_cache_control) {
        Some(Dossier::Response(filed)) => filed,
        Some(Dossier::Variants { vary, .. }) => return Ok(Some(Slot::Variants(vary))),
        // Another version wrote it.
        None => {
            disk.remove(key);
            return Ok(None);
        }
    };
    let stored = if object.len() <= largest_in_memory(settings) {
        filed.with_body(Body::Memory(whole(&object)?), Judged::before())
    } else {
        let judging = judging(&object);
        filed.with_body(Body::Disk(object), judging)
    };
    Ok(Some(Slot::Response(Arc::new(stored))))
}

/// All of an object's body: in octets of its own, where it would hold on to more than it is.
fn whole(object: &Object) -> Result<Bytes, Corrupt> {
    let length = object.len();
    let mut body = BytesMut::new();
    while (body.len() as u64) < length {
        // What is left fits into memory, or it would not be read.
        let left = usize::try_from(length - body.len() as u64).unwrap_or(usize::MAX);
        let octets = object.read(body.len() as u64, left)?;
        if octets.len() as u64 == length && length > COPIED {
            return Ok(octets);
        }
        body.extend_from_slice(&octets);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests;
