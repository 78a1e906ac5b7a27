//! C: clang and its linker, without a C library; what wit-bindgen writes in C stands between the
//! plugin and its host.

use super::{look_for, run, rust, sources};
use anyhow::Context as _;
use std::path::Path;
use std::process::Command;
use wit_bindgen_c::{Enabled, Opts};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

/// Beside the plugin's source: what is written here is found by `#include`.
const BINDINGS: &str = "bindings";
/// Beside the plugin's source, where there is one: the headers and sources that take the place of
/// a C library.
const RUNTIME: &str = "runtime";
const PACKAGES: &str = "clang lld";

/// Builds the plugin in that folder.
///
/// # Errors
/// What is wrong with its WIT, what clang says, or what is missing.
pub(super) fn build(folder: &Path) -> anyhow::Result<Vec<u8>> {
    // clang says nothing useful where its linker is missing.
    look_for("wasm-ld", PACKAGES)?;
    bind(folder)?;
    let mut clang = Command::new("clang");
    clang.args([
        "--target=wasm32",
        "-std=c11",
        "-O2",
        "-Wall",
        "-Wextra",
        // There is no C library but what is in the folder.
        "-ffreestanding",
        "-nostdlib",
        "-mbulk-memory",
        "-Wl,--no-entry",
        // A stack that overflows traps, and does not grow into the data.
        "-Wl,--stack-first",
        "-Wl,--strip-debug",
    ]);
    for part in [".", RUNTIME, BINDINGS] {
        let part = Path::new(part);
        if !folder.join(part).is_dir() {
            continue;
        }
        clang.arg("-I").arg(part);
        for extension in ["c", "o"] {
            for source in sources(&folder.join(part), extension)? {
                clang.arg(source.strip_prefix(folder).unwrap_or(&source));
            }
        }
    }
    let module = Path::new(BINDINGS).join("module.wasm");
    run(clang.arg("-o").arg(&module), folder, PACKAGES)?;
    let module = std::fs::read(folder.join(module)).context("clang left no module")?;
    rust::componentize(&module)
        .with_context(|| format!("{}: what was built is not a plugin", folder.display()))
}

/// Writes the bindings for the world in `wit/`.
fn bind(folder: &Path) -> anyhow::Result<()> {
    let wit = folder.join("wit");
    let wrong = || format!("{} is not understood", wit.display());
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(&wit).with_context(wrong)?;
    let world = resolve.select_world(&[package], None).with_context(wrong)?;
    let mut files = Files::default();
    let options = Opts {
        // A request is lent for one call: forgetting to give it back is no mistake of the author's.
        autodrop_borrows: Enabled::Yes,
        ..Opts::default()
    };
    options
        .build()
        .generate(&mut resolve, world, &mut files)
        .with_context(wrong)?;
    let bindings = folder.join(BINDINGS);
    let unwritable = || format!("cannot write {}", bindings.display());
    std::fs::create_dir_all(&bindings).with_context(unwritable)?;
    for (name, content) in files.iter() {
        std::fs::write(bindings.join(name), content).with_context(unwritable)?;
    }
    Ok(())
}
