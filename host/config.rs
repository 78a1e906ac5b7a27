//! Settings: what stands in `wproxy.toml`, and what the proxy runs with.

mod helpers;
mod places;
mod sets;
mod settings;
mod shadow;
mod source;
mod units;
mod written;

pub use helpers::{HelperSettings, HelperSource, ServiceUrl};
pub use places::cache_directory;
pub use sets::{SetFile, SetKind, WrittenSets};
pub use settings::{CacheDir, ControlSocket, ForwardedFor, LogFormat, LogTarget, Settings};
pub use shadow::{Bounds, Chain, Shadowing};
pub use source::{Location, Mistake, Section, Source, within};
pub use units::{Size, Span};

use std::collections::BTreeMap;
use std::io::ErrorKind;
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
    /// `--plugins DIR`, else `plugin_dir`: a folder of plugins. None: those that the binary carries.
    pub plugin_dir: Option<PathBuf>,
    /// `[plugins.NAME]`: stands in place of that plugin's own `[config]`.
    pub plugins: BTreeMap<String, Section>,
    /// `[sets]`: for every plugin; one stands in place of that of the same name in a manifest.
    pub sets: Vec<SetFile>,
    /// `[shadow]`, with what the command line says.
    pub shadow: Shadowing,
    /// `[helpers.NAME]`: by name.
    pub helpers: Vec<HelperSettings>,
    /// What people call the file; none where the documented defaults hold.
    pub file: Option<Arc<str>>,
}

/// What the command line says over the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config FILE`; else [`DEFAULT_PATH`], once it has been there.
    pub config: Option<PathBuf>,
    /// `--plugins DIR`, in place of `plugin_dir`.
    pub plugins: Option<PathBuf>,
    /// `--listen ADDR`, in place of `http_port`.
    pub listen: Vec<String>,
    /// `--shadow DIR` and `--shadow-config FILE`, in place of what `[shadow]` names.
    pub shadow: Chain,
}

// === impl Overrides ===

impl Overrides {
    /// Takes the file at the default path where no other is named. A link is there, whether or not
    /// it leads anywhere.
    fn find(&mut self, default: &Path) -> Result<(), Mistake> {
        if self.config.is_some() {
            return Ok(());
        }
        match default.symlink_metadata() {
            Ok(_) => self.config = Some(default.to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let message = format!("cannot look for {}: {error}", default.display());
                let help = "let it be read, or name another with --config";
                return Err(Mistake::new(message).help(help));
            }
        }
        Ok(())
    }
}

// === impl Configuration ===

impl Configuration {
    /// Reads the file that the command line names, else [`DEFAULT_PATH`], else takes the
    /// documented defaults. These stand in for no file that cannot be read, nor for one that was
    /// there the last time: somebody's policy would silently give way to another. A file that
    /// appears while they hold is taken by the next reload.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn load(overrides: &mut Overrides) -> Result<Configuration, Mistake> {
        overrides.find(Path::new(DEFAULT_PATH))?;
        let source = overrides.config.as_deref().map(Source::read).transpose()?;
        let mut loaded = Configuration::from_source(source.as_ref(), &overrides.listen)?;
        loaded.plugin_dir = overrides.plugins.clone().or(loaded.plugin_dir);
        let written = std::mem::take(&mut loaded.shadow.candidate);
        loaded.shadow.candidate = overrides.shadow.clone().or(written);
        Ok(loaded)
    }

    /// Where the file says that the control socket is, whatever else may be wrong in it: who has to
    /// mend that wants to ask the proxy that runs with what it said before.
    ///
    /// # Errors
    /// It cannot be read, it is no TOML, or the mistake is in that key.
    pub fn control_socket(overrides: &mut Overrides) -> Result<ControlSocket, Mistake> {
        #[derive(serde::Deserialize)]
        struct Part {
            control_socket: Option<toml::Spanned<String>>,
        }
        overrides.find(Path::new(DEFAULT_PATH))?;
        let Some(file) = &overrides.config else {
            return Ok(ControlSocket::Default);
        };
        let source = Source::read(file)?;
        let part: Part = source.parse()?;
        settings::control_socket(part.control_socket, &source)
    }

    /// [`load`](Configuration::load) from a text.
    pub fn from_source(
        source: Option<&Source>,
        listen: &[String],
    ) -> Result<Configuration, Mistake> {
        let defaults = Source::new("(defaults)", "");
        let text = source.unwrap_or(&defaults);
        let mut written: Written = text.parse()?;
        let mut plugins = BTreeMap::new();
        for name in written.plugins.keys() {
            if let Some(section) = text.section(&["plugins", name])? {
                plugins.insert(name.clone(), section);
            }
        }
        let folder = Path::new(&**text.name()).parent();
        let folder = folder.unwrap_or(Path::new(""));
        let plugin_dir = written.plugin_dir.take();
        let plugin_dir = plugin_dir.map(|beside| folder.join(beside));
        let sets = std::mem::take(&mut written.sets);
        let sets = SetFile::all(sets, folder, text)?;
        let shadow = std::mem::take(&mut written.shadow);
        let shadow = Shadowing::from_written(shadow, folder, text)?;
        let helpers = std::mem::take(&mut written.helpers);
        let helpers = HelperSettings::all(helpers, text)?;
        let settings = Settings::from_written(written, text, listen)?;
        Ok(Configuration {
            settings: Arc::new(settings),
            plugin_dir,
            plugins,
            sets,
            shadow,
            helpers,
            file: source.map(|source| source.name().clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_at_the_default_path_is_taken_when_it_comes_and_missed_when_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wproxy.toml");
        let mut overrides = Overrides::default();
        overrides.find(&path).expect("it need not be there");
        assert_eq!(overrides.config, None);
        fs::write(&path, "").unwrap();
        overrides.find(&path).expect("it is there");
        assert_eq!(overrides.config.as_ref(), Some(&path));
        Configuration::load(&mut overrides).expect("valid");
        fs::remove_file(&path).unwrap();
        let gone = Configuration::load(&mut overrides).expect_err("it is gone");
        assert!(gone.to_string().starts_with("cannot read "), "{gone}");
    }

    #[test]
    fn a_default_path_that_cannot_be_looked_at_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let mistake = Overrides::default().find(&file.join("wproxy.toml"));
        let mistake = mistake.expect_err("its folder is a file").to_string();
        assert!(mistake.starts_with("cannot look for "), "{mistake}");

        let link = folder.path().join("wproxy.toml");
        symlink("nowhere", &link).unwrap();
        let mut overrides = Overrides::default();
        overrides.find(&link).expect("a link is there");
        Configuration::load(&mut overrides).expect_err("it leads nowhere");
    }
}
