//! Python: `componentize-py` from PyPI puts the plugin and an interpreter into one component.

use super::{look_for, run, sources};
use anyhow::{Context as _, bail};
use std::path::Path;
use std::process::Command;

/// The project's virtual environment: what requirements.txt names is in it.
const ENVIRONMENT: &str = ".venv";
const REQUIREMENTS: &str = "requirements.txt";
/// In the environment: the requirements that are installed.
const INSTALLED: &str = ".venv/wproxy-installed";
const TOOL: &str = ".venv/bin/componentize-py";
const PACKAGES: &str = "python3 python3-venv";

/// Builds the plugin in that folder: `plugin.py`, or the only `*.py` there.
///
/// # Errors
/// What pip and componentize-py say, or what is missing.
pub(super) fn build(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let module = module(folder)?;
    install(folder)?;
    let made = Path::new(ENVIRONMENT).join("plugin.wasm");
    let mut tool = Command::new(folder.join(TOOL));
    tool.args(["-d", "wit", "componentize", &module, "-o"])
        .arg(&made)
        // So that it finds what is installed beside it.
        .env("VIRTUAL_ENV", folder.join(ENVIRONMENT));
    run(&mut tool, folder, PACKAGES)?;
    std::fs::read(folder.join(made)).context("componentize-py left no component")
}

/// The name of the plugin's module.
fn module(folder: &Path) -> anyhow::Result<String> {
    let sources = sources(folder, "py")?;
    let names: Vec<_> = sources
        .iter()
        .filter_map(|path| path.file_stem()?.to_str())
        .collect();
    match names[..] {
        [only] => Ok(only.to_owned()),
        _ if names.contains(&"plugin") => Ok("plugin".to_owned()),
        _ => {
            let (folder, names) = (folder.display(), names.join(".py, "));
            bail!("{folder}: which of {names}.py is the plugin? Call it plugin.py")
        }
    }
}

/// Installs the requirements into the project's own environment, unless they are there.
fn install(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(REQUIREMENTS);
    let requirements = std::fs::read_to_string(&path).with_context(|| {
        let path = path.display();
        format!("cannot read {path}, which has to name componentize-py, such as `componentize-py==0.25.1`")
    })?;
    let installed = folder.join(INSTALLED);
    // An environment that has been moved is of no use: its scripts name their place.
    let here = std::path::absolute(folder)?;
    let wanted = format!("{}\n{requirements}", here.display());
    if std::fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    look_for("python3", PACKAGES)?;
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear", ENVIRONMENT]);
    run(&mut venv, folder, PACKAGES)
        .context("no virtual environment can be made: apt install python3-venv")?;
    let mut pip = Command::new(folder.join(".venv/bin/python"));
    pip.args(["-m", "pip", "install", "--quiet"]).args([
        "--disable-pip-version-check",
        "-r",
        REQUIREMENTS,
    ]);
    run(&mut pip, folder, PACKAGES)?;
    if !folder.join(TOOL).exists() {
        let path = path.display();
        bail!("{path} has to name componentize-py, such as `componentize-py==0.25.1`");
    }
    std::fs::write(&installed, wanted)
        .with_context(|| format!("cannot write {}", installed.display()))
}
