//! Where generations come from, one after the other.

use super::{Generation, Plugins};
use crate::config::{Chain, Configuration, Mistake, Overrides};
use crate::plugin::Engine;

/// What it takes to make the next generation.
#[derive(Debug)]
pub struct Reloader {
    /// Compiles.
    pub engine: Engine,
    /// Where settings come from, and what the command line says over them.
    pub overrides: Overrides,
    /// Where both come from since a candidate was promoted, in place of that: until the proxy is
    /// started anew.
    pub promoted: Chain,
}

// === impl Reloader ===

impl Reloader {
    /// A generation of that chain: from where the proxy's own comes from, as far as it names nothing
    /// else. Its helpers know nothing yet.
    ///
    /// # Errors
    /// The first mistake. Nothing has been changed by then.
    pub fn build(
        &self,
        id: u64,
        engine: &Engine,
        chain: &Chain,
        own: &Configuration,
        workers: usize,
        previous: Option<&Generation>,
    ) -> Result<Generation, Mistake> {
        let folder = chain.plugins.as_ref().or(own.plugin_dir.as_ref());
        let plugins = &Plugins::from(folder.cloned());
        let other = chain.config.clone().map(|config| {
            Configuration::load(&mut Overrides {
                config: Some(config),
                ..Overrides::default()
            })
        });
        let other = other.transpose()?;
        let settings = other.as_ref().unwrap_or(own);
        Generation::build(id, engine, plugins, settings, workers, previous)
    }
}
