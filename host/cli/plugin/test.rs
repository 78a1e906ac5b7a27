//! `wproxy plugin test`

mod bless;
mod case;
mod compare;
mod completed;
mod outcome;
mod trial;

use crate::cli::complain;
use crate::config::{Configuration, Mistake, Source};
use crate::generation::plugin_in;
use crate::plugin::Engine;
use anyhow::{Context as _, bail};
use case::{Case, CaseFile};
use clap::Args;
use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml::Table;
use trial::Trial;

/// Run plugins' test cases in the proxy's own engine
#[derive(Debug, Args)]
#[command(long_about = include_str!("test/help.txt"))]
pub(in crate::cli) struct Test {
    /// Plugins' folders: each has a plugin.toml, the component and cases/
    #[arg(default_value = ".", value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Write the actual answers into the cases
    #[arg(long)]
    bless: bool,
}

/// How many cases did what.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    passed: usize,
    failed: usize,
    blessed: usize,
}

/// A case failed.
const FAILED: u8 = 1;
/// Something could not be tried.
pub(in crate::cli) const NOT_TESTED: u8 = 2;

// === impl Test ===

impl Test {
    pub(super) fn run(&self) -> ExitCode {
        let mut sum = Tally::default();
        let mut tested = true;
        let done = Engine::new(1).and_then(|engine| {
            for folder in &self.folders {
                match self.folder(&engine, folder) {
                    Ok(tally) => sum.add(tally),
                    Err(error) => {
                        tested = false;
                        complain(&error);
                    }
                }
            }
            if tested || sum.passed + sum.failed + sum.blessed > 0 {
                writeln!(anstream::stdout(), "{sum}")?;
            }
            Ok(())
        });
        if let Err(error) = &done {
            complain(error);
        }
        match sum.failed {
            _ if done.is_err() || !tested => ExitCode::from(NOT_TESTED),
            0 => ExitCode::SUCCESS,
            _ => ExitCode::from(FAILED),
        }
    }

    fn folder(&self, engine: &Engine, folder: &Path) -> anyhow::Result<Tally> {
        let (manifest, component) = plugin_in(folder)?;
        let files = case_files(&folder.join("cases"))?;
        let settings = Configuration::from_source(None, &[])?.settings;
        let trial = Trial::new(engine, manifest, &component, settings)?;
        let mut read = Vec::new();
        for path in files {
            let file = CaseFile::read(&path)?;
            for case in &file.cases {
                trial.check(&file.source, case)?;
                if !self.bless {
                    can_fail(&file.source, case)?;
                }
            }
            read.push((path, file));
        }
        let mut sum = Tally::default();
        for (path, file) in read {
            sum.add(self.file(&trial, &path, file)?);
        }
        Ok(sum)
    }

    fn file(&self, trial: &Trial, path: &Path, file: CaseFile) -> anyhow::Result<Tally> {
        let CaseFile { source, cases } = file;
        let mut out = anstream::stdout();
        let mut tally = Tally::default();
        let mut blessed = Vec::new();
        for case in cases {
            let (name, span, index) = (case.name.clone(), case.span.clone(), case.index);
            let expected = case.expect.clone();
            let got = trial.run(case)?;
            let differences = compare::compare(&expected, &got);
            if self.bless && (differences.is_some() || expected.is_empty()) {
                let expect = compare::blessed(&expected, &got);
                if expect.is_empty() {
                    return Err(nothing_to_bless(&source, span, &name).into());
                }
                blessed.push((index, expect));
            } else if let Some(differences) = differences {
                tally.failed += 1;
                writeln!(out, "FAILED  {}: {name}\n{differences}", path.display())?;
            } else {
                tally.passed += 1;
            }
        }
        if !blessed.is_empty() {
            write(path, &source, &blessed)?;
            tally.blessed = blessed.len();
        }
        writeln!(out, "{:6}  {}: {tally}", tally.word(), path.display())?;
        Ok(tally)
    }
}

/// The files with cases, by name.
fn case_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = folder.display();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        entries => entries
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .with_context(|| format!("cannot read {shown}"))?,
    };
    let paths = entries.into_iter().map(|entry| entry.path());
    let is_toml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    };
    let mut files: Vec<PathBuf> = paths.filter(is_toml).collect();
    files.sort();
    if files.is_empty() {
        bail!(
            "no cases in {shown}\nhelp: a file {shown}/NAME.toml with [request] and [expect] is \
             one; `wproxy plugin test --help` says more"
        );
    }
    Ok(files)
}

/// Refuses a case that no answer could make fail.
fn can_fail(source: &Source, case: &Case) -> Result<(), Mistake> {
    if !case.expect.is_empty() {
        return Ok(());
    }
    let message = format!("the case `{}` expects nothing: it cannot fail", case.name);
    let mistake = source.mistake(case.span.clone(), message);
    Err(mistake.help("write what is expected below [expect], or let --bless write it"))
}

fn nothing_to_bless(source: &Source, span: Range<usize>, name: &str) -> Mistake {
    let message = format!("nothing was asked of the plugin for the case `{name}`");
    let help = "hooks that see a response are called where the case has a [response]; those that \
                change requests, not for CONNECT";
    source.mistake(span, message).help(help)
}

/// Writes what these cases expect now, once it is sure that they do.
fn write(path: &Path, source: &Source, expected: &[(Option<usize>, Table)]) -> anyhow::Result<()> {
    let text = bless::bless(source, expected)?;
    let again = CaseFile::from_source(Source::new(source.name(), text.as_str()), "");
    let written = again.is_ok_and(|file| {
        expected.iter().all(|(index, table)| {
            let case = file.cases.get(index.unwrap_or_default());
            case.is_some_and(|case| case.expect.table() == *table)
        })
    });
    if !written {
        bail!(
            "{}: its layout is too special for --bless; write the expectations as [expect] tables",
            path.display()
        );
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.blessed += other.blessed;
    }

    fn word(self) -> &'static str {
        match (self.failed, self.blessed) {
            (0, 0) => "ok",
            (0, _) => "wrote",
            _ => "FAILED",
        }
    }
}

/// `3 passed, 1 failed`
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.passed, "passed"),
            (self.failed, "failed"),
            (self.blessed, "blessed"),
        ];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(n, what)| format!("{n} {what}")).collect();
        match parts.is_empty() {
            true => f.write_str("no case was tried"),
            false => f.write_str(&parts.join(", ")),
        }
    }
}
