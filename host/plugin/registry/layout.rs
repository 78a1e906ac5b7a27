//! The CNCF's "Wasm OCI Artifact layout": how a component lies in a registry. One manifest, one
//! small configuration that describes the component, one layer that is the component.

use super::super::digest::Digest;
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use jiff::Timestamp;
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciManifest};
use serde_json::{Value, json};
use wit_component::DecodedWasm;

/// The media type of the configuration: what makes an artifact a wasm one.
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The media type of the layer.
const LAYER: &str = "application/wasm";

/// The component as a manifest names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) digest: Digest,
    /// Octets.
    pub(super) size: u64,
}

/// A component with what goes to the registry beside it.
#[derive(Debug)]
pub struct Artifact {
    pub(super) component: Bytes,
    pub(super) config: Bytes,
    pub(super) manifest: Bytes,
}

/// What an artifact's manifest says of its component.
///
/// # Errors
/// Why there is no component behind it that can be taken.
pub(super) fn read(manifest: &[u8], limit: u64) -> Result<Layer, String> {
    let manifest = serde_json::from_slice(manifest)
        .map_err(|error| format!("its manifest cannot be understood: {error}"))?;
    let manifest = match manifest {
        OciManifest::Image(manifest) => manifest,
        OciManifest::ImageIndex(_) => {
            return Err("it is an index of several artifacts, where one is wanted".into());
        }
    };
    let config = &manifest.config.media_type;
    if config != CONFIG {
        return Err(format!(
            "it is not a wasm artifact: its configuration is `{config}`, not `{CONFIG}`"
        ));
    }
    let [layer] = &manifest.layers[..] else {
        let layers = manifest.layers.len();
        return Err(format!("it has {layers} layers, where one is wanted"));
    };
    layer_of(layer, limit)
}

fn layer_of(layer: &OciDescriptor, limit: u64) -> Result<Layer, String> {
    let kind = &layer.media_type;
    if kind != LAYER {
        return Err(format!("its layer is `{kind}`, not `{LAYER}`"));
    }
    let digest = layer.digest.parse();
    let digest = digest.map_err(|malformed| format!("its layer's digest is {malformed}"))?;
    match u64::try_from(layer.size) {
        Ok(size) if size <= limit => Ok(Layer { digest, size }),
        Ok(_) => Err(format!(
            "its component is larger than {} MB, the most that is taken",
            limit >> 20
        )),
        Err(_) => Err("its layer has a negative size".into()),
    }
}

// === impl Artifact ===

impl Artifact {
    /// Of a component that was made at that time. The same component of the same time makes the
    /// same artifact.
    ///
    /// # Errors
    /// It is no component.
    pub fn new(component: Vec<u8>, created: Timestamp) -> anyhow::Result<Artifact> {
        let (imports, exports) = world(&component)?;
        let component = Bytes::from(component);
        let layer = descriptor(LAYER, &component);
        let config = json!({
            "created": created.to_string(),
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer["digest"]],
            "component": { "exports": exports, "imports": imports },
        });
        let config = Bytes::from(config.to_string());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE_MEDIA_TYPE,
            "config": descriptor(CONFIG, &config),
            "layers": [layer],
        });
        Ok(Artifact {
            component,
            config,
            manifest: Bytes::from(manifest.to_string()),
        })
    }

    /// Octets of its component.
    pub(super) fn size(&self) -> u64 {
        self.component.len() as u64
    }

    /// What names it in the registry for good.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({
        "mediaType": media_type,
        "digest": Digest::of(content).to_string(),
        "size": content.len(),
    })
}

/// The names that a component imports and exports.
fn world(component: &[u8]) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    // The second half of the version: 0 is a module's.
    let layer = component.get(6..8);
    ensure!(layer == Some(&[1, 0]), "not a WebAssembly component");
    let decoded = wit_component::decode(component).context("not a WebAssembly component")?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        anyhow::bail!("a WIT package, not a component");
    };
    let world = &resolve.worlds[world];
    let name = |key| resolve.name_world_key(key);
    let imports = world.imports.keys().map(name).collect();
    let exports = world.exports.keys().map(name).collect();
    Ok((imports, exports))
}

#[cfg(test)]
mod tests;
