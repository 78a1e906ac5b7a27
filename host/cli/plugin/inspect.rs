//! `wproxy plugin inspect`

use crate::cli::text::size;
use crate::generation::plugin_in;
use crate::plugin::{Engine, Inspection, Kind};
use anyhow::Context as _;
use clap::Args;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show a component's hooks and imports, and whether this host can run it
///
/// Exit code: 0 if it can run, 1 if it cannot.
#[derive(Debug, Args)]
pub(in crate::cli) struct Inspect {
    /// A component, or a plugin's folder, whose grants are then shown too
    file: PathBuf,
    /// Print one JSON object, for programs
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let engine = Engine::new(1)?;
        let inspection = match self.file.is_dir() {
            true => {
                let (manifest, component) = plugin_in(&self.file)?;
                Inspection::of_plugin(&engine, &manifest, &component)
            }
            false => {
                let shown = self.file.display();
                let bytes = std::fs::read(&self.file);
                Inspection::of_file(
                    &engine,
                    &bytes.with_context(|| format!("cannot read {shown}"))?,
                )
            }
        };
        let mut out = anstream::stdout();
        match self.json {
            true => writeln!(out, "{}", serde_json::to_string_pretty(&inspection)?)?,
            false => write!(out, "{}", text(&inspection))?,
        }
        Ok(match inspection.runs {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

/// For people.
fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    let kind = match inspection.kind {
        Kind::Component => "a WebAssembly component",
        Kind::Module => "a core module of WebAssembly, no component",
        Kind::Other => "no WebAssembly",
    };
    // Writing to a String cannot fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:10}{value}");
    };
    line("kind", kind);
    let octets = inspection.size;
    let size = size(octets as u64);
    match octets < 1 << 10 {
        true => line("size", &size),
        false => line("size", &format!("{size}, {octets} octets")),
    }
    line("digest", &inspection.digest);
    if inspection.kind == Kind::Component {
        let versions: Vec<&str> = inspection.wit.iter().map(String::as_str).collect();
        match versions.is_empty() {
            true => line("WIT", "none of wproxy:plugin"),
            false => line("WIT", &format!("wproxy:plugin {}", versions.join(", "))),
        }
        match inspection.hooks.is_empty() {
            true => line("hooks", "none"),
            false => line("hooks", &inspection.hooks.join(", ")),
        }
        if inspection.explains {
            line("explains", "how it comes to its answers");
        }
        for (index, right) in rights(inspection).iter().enumerate() {
            line(if index == 0 { "rights" } else { "" }, right);
        }
    }
    for (index, producer) in producers(inspection).iter().enumerate() {
        line(if index == 0 { "made by" } else { "" }, producer);
    }
    match &inspection.reason {
        None => line("runs", "yes, on this host"),
        Some(reason) => line("runs", &format!("no: {reason}")),
    }
    if let Some(help) = &inspection.help {
        line("", &format!("help: {help}"));
    }
    text
}

fn rights(inspection: &Inspection) -> Vec<String> {
    let rights = &inspection.rights;
    if rights.is_empty() {
        return vec!["to see requests and to write to the log, as every plugin".into()];
    }
    let width = rights.iter().map(|right| right.import.len()).max();
    let width = width.unwrap_or_default();
    let right = |right: &crate::plugin::Right| {
        let granted = match (right.granted, right.grant) {
            (Some(true), _) => " (granted)".to_owned(),
            (Some(false), Some(grant)) => format!(" (not granted: `{}`)", grant.line()),
            _ => String::new(),
        };
        format!("{:width$}  {}{granted}", right.import, right.means)
    };
    rights.iter().map(right).collect()
}

/// `Rust`, `rustc 1.95.0`, by field.
fn producers(inspection: &Inspection) -> Vec<String> {
    let fields = inspection.producers.iter();
    let field = |(field, values): (&String, &std::collections::BTreeMap<String, String>)| {
        let values: Vec<String> = values
            .iter()
            .map(|(name, version)| format!("{name} {version}").trim_end().to_owned())
            .collect();
        format!("{field}: {}", values.join(", "))
    };
    fields.map(field).collect()
}
