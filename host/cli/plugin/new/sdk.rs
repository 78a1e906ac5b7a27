//! The SDK for Rust, as a crate of its own in the new project.

use super::File;
use anyhow::Context as _;
use toml::{Table, Value};

/// Its sources: the build script makes the table.
const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
const MANIFEST: &str = include_str!("../../../../plugins/sdk/Cargo.toml");
/// What its manifest takes over from.
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");

/// The SDK's files, in that folder.
///
/// # Errors
/// Its manifest takes over what is not there: a mistake in this repository, that a test finds.
pub(super) fn files(folder: &str) -> anyhow::Result<Vec<File>> {
    let sources = SOURCES
        .iter()
        .map(|&(name, text)| (format!("{folder}/src/{name}"), text.to_owned()));
    let mut files: Vec<File> = sources.collect();
    files.push((format!("{folder}/Cargo.toml"), manifest()?));
    Ok(files)
}

/// Its Cargo.toml, with what it takes over from this workspace written out.
fn manifest() -> anyhow::Result<String> {
    let mut manifest: Table = toml::from_str(MANIFEST)?;
    let root: Table = toml::from_str(WORKSPACE)?;
    let workspace = table(&root, "workspace")?;
    manifest.remove("lints");
    for (section, from) in [
        ("package", "package"),
        ("dependencies", "dependencies"),
        ("dev-dependencies", "dependencies"),
    ] {
        let from = table(workspace, from)?;
        let Some(Value::Table(section)) = manifest.get_mut(section) else {
            continue;
        };
        for (key, value) in section.iter_mut() {
            inherit(value, from.get(key)).with_context(|| format!("`{key}` of the SDK"))?;
        }
    }
    Ok(toml::to_string(&manifest)?)
}

/// As cargo does it: `workspace = true` stands for the workspace's value, and further keys go on top.
fn inherit(value: &mut Value, from: Option<&Value>) -> anyhow::Result<()> {
    let Value::Table(own) = value else {
        return Ok(());
    };
    if own.remove("workspace").is_none() {
        return Ok(());
    }
    let mut inherited = from.context("the workspace has no such key")?.clone();
    if !own.is_empty() {
        if let Value::String(version) = inherited {
            inherited = Value::Table(Table::from_iter([("version".into(), version.into())]));
        }
        let base = inherited.as_table_mut().context("no table")?;
        for (key, own) in std::mem::take(own) {
            match (base.get_mut(&key), own) {
                (Some(Value::Array(features)), Value::Array(more)) => features.extend(more),
                (_, own) => drop(base.insert(key, own)),
            }
        }
    }
    *value = inherited;
    Ok(())
}

fn table<'a>(from: &'a Table, key: &str) -> anyhow::Result<&'a Table> {
    let found = from.get(key).and_then(Value::as_table);
    found.with_context(|| format!("[{key}] is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_manifest_stands_alone() {
        let text = manifest().expect("a manifest");
        assert!(!text.contains("workspace"), "{text}");
        let manifest: Table = toml::from_str(&text).expect("TOML");
        assert_eq!(manifest["package"]["edition"].as_str(), Some("2024"));
        let regex = &manifest["dependencies"]["regex"];
        assert_eq!(regex["optional"].as_bool(), Some(true), "{text}");
        assert!(regex["version"].is_str(), "{text}");
        let serde = &manifest["dependencies"]["serde"];
        assert_eq!(serde["features"][0].as_str(), Some("derive"), "{text}");
    }

    #[test]
    fn what_is_taken_over_can_be_added_to() {
        let cases = [
            ("workspace = true", "'1'", "'1'"),
            (
                "workspace = true\noptional = true",
                "'1'",
                "{version = '1', optional = true}",
            ),
            (
                "workspace = true\nfeatures = ['b']",
                "{version = '1', features = ['a']}",
                "{version = '1', features = ['a', 'b']}",
            ),
            ("path = 'x'", "'1'", "{path = 'x'}"),
        ];
        for (own, from, expected) in cases {
            let mut value = Value::Table(toml::from_str(own).expect("TOML"));
            let read = |text: &str| -> Value {
                let table: Table = toml::from_str(&format!("x = {text}")).expect("TOML");
                table["x"].clone()
            };
            inherit(&mut value, Some(&read(from))).expect("there");
            assert_eq!(value, read(expected), "{own}");
        }
        let mut stray = Value::Table(toml::from_str("workspace = true").expect("TOML"));
        assert!(inherit(&mut stray, None).is_err());
    }
}
