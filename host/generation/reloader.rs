//! Where generations come from, one after the other.

use super::{Generation, Plugins};
use crate::config::{Chain, Configuration, Mistake, Overrides};
use crate::plugin::Engine;

/// What it takes to make the next generation.
#[derive(Debug)]
pub struct Reloader {
    /// Compiles.
    pub engine: Engine,
    /// Where plugins come from.
    pub plugins: Plugins,
    /// Where settings come from.
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
        let folder = chain.plugins.clone().map(Plugins::Folder);
        let plugins = folder.as_ref().unwrap_or(&self.plugins);
        let other = chain.config.clone().map(|config| {
            Configuration::load(&mut Overrides {
                config: Some(config),
                ..Overrides::default()
            })
        });
        let other = other.transpose()?;
        let Configuration {
            plugins: tables,
            sets,
            helpers,
            ..
        } = other.as_ref().unwrap_or(own);
        let built = Generation::build(id, engine, plugins, tables, sets, workers, previous)?;
        Ok(built.with_helpers(helpers))
    }
}
