//! What a request pays for the default plugins: `cargo bench --bench hooks`.
//!
//! Every figure is a call through the real engine, with its limits on. Two are all that is called for
//! one request that the cache cannot answer: what comes may not be stored, or may. Hooks that the
//! default plugins do not have are those of others, in Rust, and of the examples in JavaScript and
//! Python, where the tests have built these.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use wproxy::bench::{CacheKey, Hooks};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FAILS: &str = "the documented configuration allows it";

fn hooks(criterion: &mut Criterion) {
    let hooks = Hooks::documented().expect("the default plugins run");
    criterion.bench_function("access", |bench| {
        bench.iter(|| hooks.access().expect(FAILS));
    });
    criterion.bench_function("request-headers", |bench| {
        bench.iter_batched_ref(
            || hooks.request(),
            |fields| hooks.request_headers(fields).expect(FAILS),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("response-headers", |bench| {
        bench.iter_batched_ref(
            || hooks.response(),
            |fields| hooks.response_headers(fields).expect(FAILS),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("cache-rules", |bench| {
        let mut fields = hooks.response();
        bench.iter(|| hooks.cache_rules(&mut fields).expect(FAILS));
    });
    for stored in [false, true] {
        let name = match stored {
            false => "a request, nothing stored",
            true => "a request, stored",
        };
        criterion.bench_function(name, |bench| {
            bench.iter_batched_ref(
                || (hooks.request(), hooks.response()),
                |(request, response)| {
                    hooks.access().expect(FAILS);
                    hooks.request_headers(request).expect(FAILS);
                    if stored {
                        hooks.cache_rules(response).expect(FAILS);
                    }
                    hooks.response_headers(response).expect(FAILS);
                },
                BatchSize::SmallInput,
            );
        });
    }
}

fn others(criterion: &mut Criterion) {
    let mirrors = "[config]\nmirrors = [\"www.example.com\"]";
    let (_hostile, hooks) = alone(
        "tests/plugins/hostile",
        built("tests/plugins/hostile"),
        mirrors,
    );
    criterion.bench_function("cache-key", |bench| {
        bench.iter(|| assert!(matches!(hooks.cache_key(), CacheKey::Named(_))));
    });
    let granted = "[grants]\nmetrics = true\nkv = true\n[config]\nclients = 199";
    let (_denied, hooks) = alone("examples/denied", built("examples/denied"), granted);
    criterion.bench_function("observer, 256 transactions", |bench| {
        bench.iter_batched(
            || hooks.batch(256),
            |batch| hooks.observe(batch).expect("it only counts"),
            BatchSize::SmallInput,
        );
    });
    if let Some((_folder, hooks)) = example("examples/javascript", "api-fields") {
        criterion.bench_function("request-headers in JavaScript", |bench| {
            bench.iter_batched_ref(
                || hooks.request(),
                |fields| {
                    hooks
                        .request_headers(fields)
                        .expect("it leaves others alone");
                },
                BatchSize::SmallInput,
            );
        });
    }
    if let Some((_folder, hooks)) = example("examples/python", "patterns") {
        criterion.bench_function("access in Python", |bench| {
            bench.iter(|| hooks.no_answer().expect("it lets others decide"));
        });
    }
}

/// The plugin of that folder by itself, its component being that file.
fn alone(folder: &str, component: PathBuf, manifest: &str) -> (TempDir, Hooks) {
    let name = folder.rsplit('/').next().unwrap_or(folder);
    let text = format!("name = \"{name}\"\ncomponent = \"a.wasm\"\n{manifest}");
    with_manifest(&text, component).expect("the plugin runs")
}

fn with_manifest(text: &str, component: PathBuf) -> anyhow::Result<(TempDir, Hooks)> {
    let plugins = tempfile::tempdir().expect("a folder");
    let plugin = plugins.path().join("plugin");
    fs::create_dir(&plugin).expect("a folder");
    fs::copy(component, plugin.join("a.wasm")).expect("a file");
    fs::write(plugin.join("plugin.toml"), text).expect("a file");
    let hooks = Hooks::in_folder(plugins.path())?;
    Ok((plugins, hooks))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The component of a plugin in Rust.
fn built(folder: &str) -> PathBuf {
    let built = Command::new(env!("CARGO_BIN_EXE_wproxy"))
        .args(["plugin", "build", folder])
        .current_dir(root())
        .env("CARGO_TARGET_DIR", root().join("target/plugins"))
        .status();
    assert!(built.expect("it runs").success());
    let name = folder.rsplit('/').next().unwrap_or(folder);
    root().join(folder).join(format!("{name}.wasm"))
}

/// An example whose tool is slow, where the tests have left its component; the last one.
#[expect(clippy::print_stdout, reason = "it is read beside the figures")]
fn example(folder: &str, name: &str) -> Option<(TempDir, Hooks)> {
    let kept = fs::read_dir(root().join("target/plugins/built"));
    let kept = kept
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let is_it = |kept: &PathBuf| {
        let said = fs::read_to_string(kept.join("said")).unwrap_or_default();
        let made = said.lines().last().unwrap_or_default();
        made.starts_with(&format!("{name}: "))
    };
    let made =
        |kept: &PathBuf| fs::metadata(kept.join("component.wasm")).and_then(|m| m.modified());
    let Some(kept) = kept.filter(is_it).max_by_key(|kept| made(kept).ok()) else {
        println!("{folder} is not built: `make test` does that");
        return None;
    };
    let manifest = fs::read_to_string(root().join(folder).join("plugin.toml")).expect("a manifest");
    let manifest = manifest.replace(&format!("{name}.wasm"), "a.wasm");
    match with_manifest(&manifest, kept.join("component.wasm")) {
        Ok(example) => Some(example),
        // Of another time's interface.
        Err(error) => {
            println!("{folder} is built anew by `make test`: {error:#}");
            None
        }
    }
}

criterion_group!(benches, hooks, others);
criterion_main!(benches);
