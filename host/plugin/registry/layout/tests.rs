use super::*;

const LIMIT: u64 = 64 << 20;

fn good() -> Value {
    json!({
        "schemaVersion": 2,
        "config": { "mediaType": CONFIG, "digest": Digest::of(b"{}").to_string(), "size": 2 },
        "layers": [descriptor(LAYER, b"component")],
    })
}

/// A good manifest with another value at that place.
fn with(pointer: &str, value: Value) -> Value {
    let mut manifest = good();
    *manifest.pointer_mut(pointer).expect("it is there") = value;
    manifest
}

#[test]
fn the_layer_is_the_component() {
    let layer = Layer {
        digest: Digest::of(b"component"),
        size: 9,
    };
    assert_eq!(read(good().to_string().as_bytes(), LIMIT), Ok(layer));
    let exactly = with("/layers/0/size", json!(LIMIT));
    assert!(read(exactly.to_string().as_bytes(), LIMIT).is_ok());
}

#[test]
fn what_is_no_component_is_said_to_be_none_and_why() {
    let image = json!("application/vnd.oci.image.config.v1+json");
    let index = json!({ "schemaVersion": 2, "manifests": [] });
    let twice = json!([descriptor(LAYER, b"a"), descriptor(LAYER, b"b")]);
    let cases = [
        (json!(null), "cannot be understood"),
        (json!({ "schemaVersion": 2 }), "cannot be understood"),
        (index, "an index of several artifacts"),
        (
            with("/config/mediaType", image),
            "not a wasm artifact: its configuration is `application/vnd.oci.image.config.v1+json`",
        ),
        (with("/layers", json!([])), "it has 0 layers"),
        (with("/layers", twice), "it has 2 layers"),
        (
            with("/layers/0/mediaType", json!("application/gzip")),
            "its layer is `application/gzip`, not `application/wasm`",
        ),
        (
            with("/layers/0/digest", json!("md5:1")),
            "digest is not a digest",
        ),
        (with("/layers/0/size", json!(-1)), "a negative size"),
        (
            with("/layers/0/size", json!(LIMIT + 1)),
            "larger than 64 MB",
        ),
    ];
    for (manifest, why) in cases {
        let said = read(manifest.to_string().as_bytes(), LIMIT).expect_err(why);
        assert!(said.contains(why), "{manifest}: {said}");
    }
    assert!(read(b"\xff", LIMIT).is_err());
}

/// The smallest component that there is.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

#[test]
fn what_is_pushed_is_what_is_pulled() {
    let made = |component: &[u8]| Artifact::new(component.to_vec(), Timestamp::UNIX_EPOCH);
    let artifact = made(EMPTY).expect("a component");
    let layer = Layer {
        digest: Digest::of(EMPTY),
        size: 8,
    };
    assert_eq!(read(&artifact.manifest, LIMIT), Ok(layer));
    let manifest: Value = serde_json::from_slice(&artifact.manifest).expect("JSON");
    let config: Value = serde_json::from_slice(&artifact.config).expect("JSON");
    assert_eq!(manifest["config"], descriptor(CONFIG, &artifact.config));
    assert_eq!(
        config,
        json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer.digest.to_string()],
            "component": { "exports": [], "imports": [] },
        })
    );
    assert_eq!(made(EMPTY).expect("the same").digest(), artifact.digest());
    for none in [&b""[..], b"\0asm\x01\0\0\0", b"text"] {
        let said = made(none).expect_err("no component").to_string();
        assert_eq!(said, "not a WebAssembly component");
    }
}
