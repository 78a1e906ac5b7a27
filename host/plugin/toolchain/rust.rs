//! Rust: cargo. What the build script does for the default plugins, too; so this names nothing
//! else of this crate.

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What plugins are built for, where nothing else is said.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Builds the plugin in that folder with cargo, for that target. `work` is where cargo puts its
/// work; its own choice if none is given.
///
/// # Errors
/// What cargo says, or what is missing and how to get it.
pub(crate) fn build(folder: &Path, target: &str, work: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let manifest = folder.join("Cargo.toml").canonicalize()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    if Command::new(&cargo).arg("--version").output().is_err() {
        bail!("`cargo` is missing: install rustup, see https://rustup.rs");
    }
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--release",
            "--target",
            target,
            "--message-format=json-render-diagnostics",
        ])
        .arg("--manifest-path")
        .arg(&manifest)
        .current_dir(folder)
        .stderr(Stdio::inherit())
        // Flags of a build that runs this one are for another target.
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if let Some(work) = work {
        command.arg("--target-dir").arg(work);
    }
    if !has_target(target) {
        build_std(&mut command, target)?;
    }
    let output = command.output().context("cargo cannot be run")?;
    if !output.status.success() {
        bail!("{}: cargo could not build the plugin", folder.display());
    }
    let module = artifact(&output.stdout, &manifest).with_context(|| {
        format!(
            "{}: crate-type = [\"cdylib\"] is missing",
            manifest.display()
        )
    })?;
    let module =
        std::fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    if is_component(&module) {
        return Ok(module);
    }
    componentize(&module)
        .with_context(|| format!("{}: what was built is not a plugin", folder.display()))
}

/// Whether it is one already: the linker for WASI makes components itself.
fn is_component(octets: &[u8]) -> bool {
    octets.starts_with(b"\0asm\x0d\0\x01\0")
}

/// Wraps a core module that was built with wit-bindgen into a component.
///
/// # Errors
/// It was not.
pub(crate) fn componentize(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    wit_component::ComponentEncoder::default()
        .module(module)?
        .validate(true)
        .encode()
}

/// The `.wasm` file that cargo says it made of that manifest.
fn artifact(messages: &[u8], manifest: &Path) -> Option<PathBuf> {
    let messages = messages.split(|&octet| octet == b'\n');
    let mut messages = messages.filter_map(|line| serde_json::from_slice(line).ok());
    messages.find_map(|message: serde_json::Value| {
        let made = message["reason"] == "compiler-artifact";
        let ours = message["manifest_path"].as_str().map(Path::new) == Some(manifest);
        let files = message["filenames"].as_array().filter(|_| made && ours)?;
        let mut files = files.iter().filter_map(|file| file.as_str());
        files
            .find(|file| file.ends_with(".wasm"))
            .map(PathBuf::from)
    })
}

/// Whether the toolchain has a standard library for wasm.
fn has_target(target: &str) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut rustc = Command::new(rustc);
    let found = rustc
        .args(["--print", "target-libdir", "--target", target])
        .output();
    found.is_ok_and(|found| {
        let path = String::from_utf8_lossy(&found.stdout);
        Path::new(path.trim()).is_dir()
    })
}

/// Without rustup's target: Debian's compiler, its sources of the standard library, and the
/// linker that comes with rustup's toolchain.
fn build_std(command: &mut Command, target: &str) -> anyhow::Result<()> {
    const CARGO: &str = "/usr/bin/cargo";
    const RUSTC: &str = "/usr/bin/rustc";
    const LIBRARY: &str = "/usr/lib/rustlib/src/rust/library";
    if target != TARGET {
        bail!("there is no standard library for it: run `rustup target add {target}`");
    }
    if ![CARGO, RUSTC, LIBRARY]
        .into_iter()
        .all(|path| Path::new(path).exists())
    {
        bail!(
            "there is no standard library for wasm: run `rustup target add {TARGET}`, or \
             `apt install rustc-web cargo-web rust-web-src lld`"
        );
    }
    let mut other = Command::new(CARGO);
    other
        .args(command.get_args())
        .args(["-Z", "build-std=std,panic_abort"])
        .stderr(Stdio::inherit())
        .env("RUSTC", RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if let Some(linker) = rust_lld() {
        other.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    if let Some(folder) = command.get_current_dir() {
        other.current_dir(folder);
    }
    *command = other;
    Ok(())
}

/// The linker that rustup's toolchain brings along.
fn rust_lld() -> Option<PathBuf> {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout).ok()?.trim());
    let hosts = std::fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
    let mut linkers = hosts.flatten().map(|host| host.path().join("bin/rust-lld"));
    linkers.find(|linker| linker.is_file())
}
