//! The projects: what is the same in every language, and what is its own.

use super::{File, Language, sdk};
use anyhow::Context as _;

/// The interface, as it is in `wit/`: the build script makes the table.
const WIT: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/wit.rs"));

/// A file of `templates/`.
macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../templates/", $path))
    };
}

/// What stands where in a project; not every language has all of it.
pub(super) const EXPLAINED: [(&str, &str); 11] = [
    ("plugin.toml", "what it is to the proxy, and its [config]"),
    ("src/lib.rs", "the plugin"),
    ("plugin.c", "the plugin"),
    ("plugin.js", "the plugin"),
    ("plugin.py", "the plugin"),
    ("cases/", "what it has to answer"),
    (
        "wit/",
        "the interface; plugin.wit has the hooks that it serves",
    ),
    ("vendor/", "the SDK"),
    ("runtime/", "in place of a C library"),
    ("package.json", "its tool and what else it needs of npm"),
    (
        "requirements.txt",
        "its tool and what else it needs of PyPI",
    ),
];

const CASES: [(&str, &str); 2] = [
    (
        "cases/allows-what-is-below.toml",
        template!("cases/allows-what-is-below.toml"),
    ),
    (
        "cases/denies-the-rest.toml",
        template!("cases/denies-the-rest.toml"),
    ),
];

const RUST: [(&str, &str); 2] = [
    ("Cargo.toml", template!("rust/Cargo.toml")),
    ("src/lib.rs", template!("rust/src/lib.rs")),
];

const C: [(&str, &str); 6] = [
    ("plugin.c", template!("c/plugin.c")),
    ("runtime/json.c", template!("c/runtime/json.c")),
    ("runtime/json.h", template!("c/runtime/json.h")),
    ("runtime/libc.c", template!("c/runtime/libc.c")),
    ("runtime/stdlib.h", template!("c/runtime/stdlib.h")),
    ("runtime/string.h", template!("c/runtime/string.h")),
];

const JAVASCRIPT: [(&str, &str); 2] = [
    ("package.json", template!("javascript/package.json")),
    ("plugin.js", template!("javascript/plugin.js")),
];

const PYTHON: [(&str, &str); 2] = [
    ("plugin.py", template!("python/plugin.py")),
    ("requirements.txt", template!("python/requirements.txt")),
];

/// The project in that language.
///
/// # Errors
/// None but of this program's own.
pub(super) fn files(language: Language, name: &str) -> anyhow::Result<Vec<File>> {
    let filled = |text: &str| fill(text, language, name);
    let mut files = vec![
        ("plugin.toml".into(), filled(template!("plugin.toml"))),
        ("README.md".into(), filled(template!("README.md"))),
        (".gitignore".into(), ignored(language)),
    ];
    let own: &[_] = match language {
        Language::Rust => &RUST,
        Language::C => &C,
        Language::JavaScript => &JAVASCRIPT,
        Language::Python => &PYTHON,
    };
    let own = own.iter().chain(&CASES);
    files.extend(own.map(|&(path, text)| (path.to_owned(), filled(text))));
    match language {
        // The SDK has the interface, at ../../wit of its own.
        Language::Rust => {
            files.extend(wit("wit"));
            files.extend(sdk::files("vendor/wproxy-sdk")?);
        }
        _ => {
            let plugin = template!("plugin.wit").replace("VERSION", version()?);
            files.push(("wit/plugin.wit".into(), plugin));
            files.extend(wit("wit/deps/wproxy"));
        }
    }
    Ok(files)
}

/// The interface's files, in that folder.
fn wit(folder: &str) -> impl Iterator<Item = File> {
    current().map(move |(name, text)| (format!("{folder}/{name}"), text.to_owned()))
}

/// The files of its current version: earlier ones are in folders.
fn current() -> impl Iterator<Item = (&'static str, &'static str)> {
    let files = WIT.iter().filter(|(name, _)| !name.contains('/'));
    files.copied()
}

/// The interface's version, as its own first line has it: `package wproxy:plugin@0.1.0;`
fn version() -> anyhow::Result<&'static str> {
    let mut lines = current().flat_map(|(_, text)| text.lines());
    lines
        .find_map(|line| {
            line.strip_prefix("package wproxy:plugin@")?
                .strip_suffix(';')
        })
        .context("the interface has no version")
}

fn ignored(language: Language) -> String {
    let made = match language {
        Language::Rust => "/target",
        Language::C => "/bindings",
        Language::JavaScript => "/node_modules",
        Language::Python => "/.venv\n__pycache__/",
    };
    format!("{made}\n*.wasm\n")
}

fn fill(text: &str, language: Language, name: &str) -> String {
    let source = match language {
        Language::Rust => {
            "`src/lib.rs` is all of it; `vendor/wproxy-sdk` is the SDK, with its documentation (`cargo doc --open`)."
        }
        Language::C => {
            "`plugin.c` is all of it; `runtime/` replaces the C library, and `wit/plugin.wit` says which hooks it serves."
        }
        Language::JavaScript => {
            "`plugin.js` is all of it; `wit/plugin.wit` says which hooks it serves. `console.log` writes to the proxy's log."
        }
        Language::Python => {
            "`plugin.py` is all of it; `wit/plugin.wit` says which hooks it serves. `print` writes to the proxy's log."
        }
    };
    text.replace("NAME", name)
        .replace("LANGUAGE", language.title())
        .replace("NEEDS", language.needs())
        .replace("SOURCE", source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_explained_is_there_and_nothing_is_left_to_fill_in() {
        for (path, _) in EXPLAINED {
            let languages = [
                Language::Rust,
                Language::C,
                Language::JavaScript,
                Language::Python,
            ];
            let has = |language| {
                let files = files(language, "gate").expect("a project");
                files.iter().any(|(file, _)| file.starts_with(path))
            };
            assert!(languages.into_iter().any(has), "{path}");
        }
        let files = files(Language::Python, "gate").expect("a project");
        for (path, text) in files {
            for left in ["NAME", "LANGUAGE", "NEEDS", "SOURCE", "@VERSION"] {
                assert!(!text.contains(left), "{path}: {left}");
            }
        }
    }
}
