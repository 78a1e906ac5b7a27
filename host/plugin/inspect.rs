//! What is to know of a file without running it as a plugin: `wproxy plugin inspect`.

use super::compiled::Compiled;
use super::digest::Digest;
use super::rights::Right;
use super::sets::Sets;
use super::version::{self, Version};
use super::{Engine, Hook, Manifest, Plugin};
use crate::config::Mistake;
use crate::log::escaped;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use wasm_metadata::Producers;
use wit_component::DecodedWasm;

/// What a file is, has and wants. Its fields are the keys of `--json`.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// What it is.
    pub kind: Kind,
    /// Octets.
    pub size: usize,
    /// `sha256:...`
    pub digest: String,
    /// Versions of this project's WIT that it was built for; mostly one.
    pub wit: BTreeSet<String>,
    /// The hooks that it serves, in the order of the WIT; those of another version with that.
    pub hooks: Vec<String>,
    /// Whether it says how it comes to its answers.
    pub explains: bool,
    /// What it imports beyond what every plugin has.
    pub rights: Vec<Right>,
    /// By field of the producers section (`language`, `processed-by`, `sdk`): name and version.
    pub producers: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether this host can run it.
    pub runs: bool,
    /// Why it cannot.
    pub reason: Option<String>,
    /// How to mend that.
    pub help: Option<String>,
}

/// What octets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Of the component model.
    Component,
    /// Core wasm: what a component is made of.
    Module,
    /// No wasm.
    Other,
}

// === impl Inspection ===

impl Inspection {
    /// Looks at a component, with the manifest that it has.
    pub fn of_plugin(engine: &Engine, manifest: &Manifest, component: &[u8]) -> Inspection {
        let granted = |compiled: &Compiled| compiled.check_grants(manifest);
        let mut inspection = Inspection::of(engine, manifest, component, granted);
        for right in &mut inspection.rights {
            right.granted = right.grant.map(|grant| manifest.grants.has(grant));
        }
        inspection
    }

    /// Looks at octets of which nothing else is known.
    pub fn of_file(engine: &Engine, bytes: &[u8]) -> Inspection {
        Inspection::of(engine, &Manifest::of_nothing(), bytes, |_| Ok(()))
    }

    /// `granted`: whether it may have what it imports.
    fn of(
        engine: &Engine,
        manifest: &Manifest,
        bytes: &[u8],
        granted: impl FnOnce(&Compiled) -> Result<(), Mistake>,
    ) -> Inspection {
        let (mut imports, exports) = interfaces(bytes);
        imports.sort();
        let (reason, help) = match try_out(engine, manifest, bytes, granted) {
            Ok(()) => (None, None),
            Err(mistake) => {
                let (reason, help) = mistake.into_words();
                (Some(reason), help)
            }
        };
        let ours = imports.iter().chain(&exports);
        Inspection {
            kind: Kind::of(bytes),
            size: bytes.len(),
            digest: Digest::of(bytes).to_string(),
            wit: ours
                .filter_map(|name| version::parts(name))
                .map(|(_, version)| version.to_owned())
                .collect(),
            hooks: hooks(&exports),
            explains: explains(&exports),
            rights: imports
                .iter()
                .filter_map(|import| Right::of(import))
                .collect(),
            producers: producers(bytes),
            runs: reason.is_none(),
            reason,
            help,
        }
    }
}

/// Compiles and links it, makes an instance and looks at the types of its exports. It is not
/// configured.
fn try_out(
    engine: &Engine,
    manifest: &Manifest,
    bytes: &[u8],
    granted: impl FnOnce(&Compiled) -> Result<(), Mistake>,
) -> Result<(), Mistake> {
    let compiled = Compiled::new(engine, manifest, bytes)?;
    granted(&compiled)?;
    let template = Plugin::template(engine, manifest, &compiled, Sets::default(), String::new())?;
    let started = template.start();
    started.map(drop).map_err(|error| {
        let reason = match error.is::<wasmtime::Trap>() {
            true => super::explain(&error),
            // Which of its exports has the wrong type is not in the last of the reasons.
            false => format!("{error:#}"),
        };
        manifest.component_mistake(format!("no instance of it can be made: {reason}"))
    })
}

/// The names of what a component imports and exports; none of what is no component.
fn interfaces(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    match wit_component::decode(bytes) {
        Ok(DecodedWasm::Component(resolve, world)) => {
            let world = &resolve.worlds[world];
            let name = |key| resolve.name_world_key(key);
            let imports = world.imports.keys().map(name).collect();
            (imports, world.exports.keys().map(name).collect())
        }
        _ => Default::default(),
    }
}

fn hooks(exports: &[String]) -> Vec<String> {
    let ours = exports.iter().filter_map(|name| version::parts(name));
    let asides = Version::ALL[0].asides();
    let hooks = ours.filter(|(name, _)| !asides.contains(name));
    let mut hooks: Vec<String> = hooks
        .map(|(name, version)| match Version::of(version) {
            Some(_) => name.to_owned(),
            None => format!("{name}@{version}"),
        })
        .collect();
    let place = |name: &String| {
        let name = name.split('@').next().unwrap_or(name);
        let known = Hook::ALL.iter().position(|hook| hook.to_string() == name);
        known.unwrap_or(Hook::ALL.len())
    };
    hooks.sort_by_key(place);
    hooks
}

fn explains(exports: &[String]) -> bool {
    let mut ours = exports.iter().filter_map(|name| version::parts(name));
    ours.any(|(name, _)| name == version::EXPLAIN)
}

/// Those of the whole, and of the modules in it: a compiler leaves its name in what it made. Whoever
/// made it can say what he likes, on one line.
fn producers(bytes: &[u8]) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut fields: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let own = std::iter::once(bytes);
    let found = own
        .chain(modules(bytes))
        .filter_map(|part| Producers::from_wasm(part).ok()?);
    for producers in found {
        for (field, values) in producers.iter() {
            let values = values
                .iter()
                .map(|(name, version)| (escaped(name), escaped(version)));
            fields.entry(escaped(field)).or_default().extend(values);
        }
    }
    fields
}

/// The core modules in a component: its sections with the id 1. A section is an id, a length in
/// LEB128, and that many octets.
fn modules(component: &[u8]) -> Vec<&[u8]> {
    const HEADER: usize = 8;
    const MODULE: u8 = 1;
    let mut modules = Vec::new();
    if Kind::of(component) != Kind::Component {
        return modules;
    }
    let mut rest = component.get(HEADER..).unwrap_or_default();
    while let [id, after @ ..] = rest {
        let Some((section, next)) = leb128(after)
            .and_then(|(length, rest)| rest.split_at_checked(usize::try_from(length).ok()?))
        else {
            break;
        };
        if *id == MODULE {
            modules.push(section);
        }
        rest = next;
    }
    modules
}

fn leb128(octets: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0u32;
    for (index, octet) in octets.iter().enumerate().take(5) {
        value |= u32::from(octet & 0x7f).checked_shl(7 * u32::try_from(index).ok()?)?;
        if octet & 0x80 == 0 {
            return Some((value, &octets[index + 1..]));
        }
    }
    None
}

// === impl Kind ===

impl Kind {
    /// By the first octets: the magic number, and the version, which tells the layers apart.
    pub fn of(bytes: &[u8]) -> Kind {
        match bytes {
            [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => Kind::Module,
            [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Kind::Component,
            _ => Kind::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_octets_tell_what_it_is() {
        for (bytes, kind) in [
            (&b"\0asm\x01\0\0\0"[..], Kind::Module),
            (b"\0asm\x0d\0\x01\0", Kind::Component),
            (b"\0asm", Kind::Other),
            (b"#!/bin/sh\n", Kind::Other),
            (b"", Kind::Other),
        ] {
            assert_eq!(Kind::of(bytes), kind, "{bytes:?}");
        }
    }

    #[test]
    fn modules_are_found_by_their_sections() {
        let component = b"\0asm\x0d\0\x01\0\x01\x03abc\x00\x81\x00x\x01\x00\x01\x7fshort";
        assert_eq!(modules(component), [&b"abc"[..], b""]);
        assert!(modules(b"\0asm\x01\0\0\0\x01\x03abc").is_empty());
    }

    /// Nobody is to be told by it that a component runs which does not.
    #[test]
    fn what_a_component_says_of_its_makers_stays_on_one_line() {
        let mut makers = Producers::empty();
        makers.add("language", "C\nruns      yes", "\u{1b}[2J");
        let bytes = makers
            .add_to_wasm(b"\0asm\x0d\0\x01\0")
            .expect("a component");
        let told = &producers(&bytes)["language"];
        assert_eq!(told[r"C\nruns      yes"], r"\u{1b}[2J");
    }

    proptest! {
        /// Whatever is inspected, nothing panics.
        #[test]
        fn any_octets_can_be_looked_at(rest in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes = [&b"\0asm\x0d\0\x01\0"[..], &rest].concat();
            producers(&bytes);
            interfaces(&bytes);
        }
    }
}
