//! Settings: what stands in `wproxy.toml`, and what the proxy runs with.

mod settings;
mod source;
mod units;
mod written;

pub use settings::{ForwardedFor, LogFormat, LogTarget, Settings};
pub use source::{Location, Mistake, Section, Source};
pub use units::{Size, Span};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use written::Written;

/// Where settings are looked for when nobody says where.
pub const DEFAULT_PATH: &str = "/etc/wproxy/wproxy.toml";

/// All that a settings file says.
#[derive(Debug)]
pub struct Configuration {
    /// What the proxy runs with.
    pub settings: Arc<Settings>,
    /// `[plugins.NAME]`: stands in place of that plugin's own `[config]`.
    pub plugins: BTreeMap<String, Section>,
    /// What people call the file; none where the documented defaults hold.
    pub file: Option<Arc<str>>,
}

/// What the command line says over the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config FILE`
    pub config: Option<PathBuf>,
    /// `--listen ADDR`, in place of `http_port`.
    pub listen: Vec<String>,
}

impl Configuration {
    /// Reads the file that the command line names, else [`DEFAULT_PATH`], else takes the
    /// documented defaults.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn load(overrides: &Overrides) -> Result<Configuration, Mistake> {
        let default = Path::new(DEFAULT_PATH);
        let path = match &overrides.config {
            Some(path) => Some(path.as_path()),
            None => default.exists().then_some(default),
        };
        let source = path.map(Source::read).transpose()?;
        Configuration::from_source(source.as_ref(), &overrides.listen)
    }

    /// The same from a text.
    pub fn from_source(
        source: Option<&Source>,
        listen: &[String],
    ) -> Result<Configuration, Mistake> {
        let defaults = Source::new("(defaults)", "");
        let text = source.unwrap_or(&defaults);
        let written: Written = text.parse()?;
        let mut plugins = BTreeMap::new();
        for name in written.plugins.keys() {
            if let Some(section) = text.section(&["plugins", name])? {
                plugins.insert(name.clone(), section);
            }
        }
        let settings = Settings::from_written(written, text, listen)?;
        Ok(Configuration {
            settings: Arc::new(settings),
            plugins,
            file: source.map(|source| source.name().clone()),
        })
    }
}
