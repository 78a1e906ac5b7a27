//! `wproxy plugin new`: everything that it writes is in the binary.

mod sdk;
mod template;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The language to write it in
    #[arg(long)]
    lang: Language,
    /// Its name, and that of its folder, which is created here
    #[arg(value_parser = name)]
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    Rust,
    C,
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    Python,
}

/// A file of the new project: where, and what is in it.
type File = (String, String);

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let files = template::files(arguments.lang, &arguments.name)?;
    write(Path::new(&arguments.name), &files)?;
    report(arguments, &files)?;
    Ok(())
}

/// A name that is right for plugin.toml, and for every language's tools.
fn name(name: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    match begins && name.len() <= 64 && name.chars().all(allowed) {
        true => Ok(name.to_owned()),
        false => Err("a lower-case letter, then letters, digits, `-` and `_`, 64 at most".into()),
    }
}

/// Writes the project into a new folder.
fn write(folder: &Path, files: &[File]) -> anyhow::Result<()> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let folder = folder.display();
            bail!("{folder} exists already: nothing was written; choose another name")
        }
        made => made.with_context(|| format!("cannot make {}", folder.display()))?,
    }
    for (name, content) in files {
        let path = folder.join(name);
        let unwritable = || format!("cannot write {}", path.display());
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above).with_context(unwritable)?;
        }
        std::fs::write(&path, content).with_context(unwritable)?;
    }
    Ok(())
}

/// Says what was made and what comes next.
fn report(arguments: &Arguments, files: &[File]) -> std::io::Result<()> {
    let Arguments { lang, name } = arguments;
    let mut out = anstream::stdout();
    writeln!(out, "{name}: a plugin in {}", lang.title())?;
    for (path, what) in template::EXPLAINED {
        if files.iter().any(|(file, _)| file.starts_with(path)) {
            writeln!(out, "  {path:<18} {what}")?;
        }
    }
    writeln!(out, "next:")?;
    let build = "wproxy plugin build";
    for (command, what) in [
        (format!("cd {name}"), String::new()),
        (build.into(), format!("needs {}", lang.needs())),
        ("wproxy plugin test".into(), "runs cases/".into()),
        ("wproxy run --plugins ..".into(), "serves with it".into()),
    ] {
        let comment = if what.is_empty() { "" } else { "  # " };
        writeln!(
            out,
            "{}",
            format!("  {command:<24}{comment}{what}").trim_end()
        )?;
    }
    Ok(())
}

// === impl Language ===

impl Language {
    fn title(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::C => "C",
            Language::JavaScript => "JavaScript",
            Language::Python => "Python",
        }
    }

    /// What its plugins are built with, and how to get it.
    fn needs(self) -> &'static str {
        match self {
            Language::Rust => "cargo: rustup target add wasm32-unknown-unknown",
            Language::C => "clang: apt install clang lld",
            Language::JavaScript => "npm: apt install nodejs npm",
            Language::Python => "python3: apt install python3 python3-venv",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "gate", "my-plugin_2"] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", "2a", "-a", "A", "a/b", "..", "a b", &"a".repeat(65)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
