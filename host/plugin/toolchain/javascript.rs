//! JavaScript: `componentize-js` from npm puts the plugin and an interpreter into one component.

use super::{read, run};
use crate::plugin::manifest::Grants;
use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// As much of package.json as matters here.
#[derive(Debug, Deserialize)]
struct Package {
    /// The plugin's module.
    main: Option<String>,
    #[serde(default)]
    scripts: BTreeMap<String, String>,
    #[serde(default)]
    dependencies: BTreeMap<String, String>,
    #[serde(default, rename = "devDependencies")]
    dev_dependencies: BTreeMap<String, String>,
}

const TOOL: &str = "@bytecodealliance/componentize-js";
/// Where its component waits.
const MADE: &str = "node_modules/.plugin.wasm";
const PACKAGES: &str = "nodejs npm";

/// Builds the plugin in that folder: `main` in its package.json, after the script `build` where
/// there is one. Clocks and random numbers are there only where they are granted; otherwise the
/// component does not import them.
///
/// # Errors
/// What npm and componentize-js say, or what is missing.
pub(super) fn build(folder: &Path, grants: &Grants) -> anyhow::Result<Vec<u8>> {
    let path = folder.join("package.json");
    let package: Package = serde_json::from_str(&read(&path)?)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let Some(main) = &package.main else {
        let path = path.display();
        bail!("{path}: `main` is missing: the plugin's module, such as \"plugin.js\"");
    };
    if !package.depends_on(TOOL) {
        let path = path.display();
        bail!("{path}: the plugin is made by {TOOL}: npm install --save-dev {TOOL}");
    }
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--prefer-offline"]);
    run(&mut npm, folder, PACKAGES)?;
    if package.scripts.contains_key("build") {
        run(Command::new("npm").args(["run", "build"]), folder, PACKAGES)?;
    }
    let mut tool = Command::new(folder.join("node_modules/.bin/componentize-js"));
    tool.arg(main).args(["--wit", "wit", "--out", MADE]);
    // What goes to the console goes to the log, by stdio.
    tool.args(["--disable", "http", "fetch-event"]);
    let granted = [("clocks", grants.clock), ("random", grants.random)];
    tool.args(granted.iter().filter(|(_, on)| !on).map(|(name, _)| name));
    run(&mut tool, folder, PACKAGES)?;
    std::fs::read(folder.join(MADE)).context("componentize-js left no component")
}

// === impl Package ===

impl Package {
    fn depends_on(&self, name: &str) -> bool {
        self.dependencies.contains_key(name) || self.dev_dependencies.contains_key(name)
    }
}
