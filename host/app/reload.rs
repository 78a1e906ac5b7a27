//! From one generation to the next: by a reload, or by promoting the candidate in the shadow.

use super::App;
use crate::config::{Chain, Configuration, Mistake, Overrides};
use crate::generation::{Changes, Generation, Kept, NOBODY_ADMITS, Plugins, RESTART_NEEDED, Swap};
use crate::plugin::Engine;
use crate::shadow::{self, Candidate};
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

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

/// A candidate serves.
#[derive(Debug)]
pub struct Promoted {
    /// What has become of the generations.
    pub swap: Swap,
    /// Where it comes from.
    pub chain: Chain,
}

// === impl App ===

impl App {
    /// Makes a new generation from the files as they are now and puts it in the place of the old
    /// one, which serves what it has begun. Whatever fails leaves the old one serving. One at a
    /// time: who comes meanwhile waits, and gets the files as they are then. The log has it in any case.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn reload(&self) -> Result<Swap, Kept> {
        let mut reloader = self.reloader.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.swap(&mut reloader);
        match &done {
            Ok(swap) => {
                if swap.restart_needed {
                    tracing::warn!("{RESTART_NEEDED}");
                }
                tracing::info!("{swap}");
            }
            Err(kept) => tracing::error!("{kept}"),
        }
        done
    }

    fn swap(&self, reloader: &mut Reloader) -> Result<Swap, Kept> {
        let old = self.generation();
        let next = self.next_generation(reloader, &old);
        let (new, configuration) = next.map_err(|mistake| {
            self.metrics.reload_failures.inc();
            let mistake = Arc::new(mistake);
            self.last_failure.store(Some(mistake.clone()));
            let generation = old.id();
            Kept {
                generation,
                mistake,
            }
        })?;
        let changed = !new.is_as(&old);
        let (generation, changes) = self.serve(new, &old);
        let serving = self.generation();
        Ok(Swap {
            generation,
            changes,
            promoted: serving.promoted().cloned(),
            restart_needed: configuration.settings != self.settings,
            shadow: self
                .shadow
                .renew(&self.readers, &configuration, reloader, &serving, changed),
        })
    }

    /// Puts a generation in the place of the old one.
    fn serve(&self, new: Generation, old: &Generation) -> (u64, Changes) {
        let (generation, changes) = (new.id(), new.changes_since(old));
        self.metrics
            .generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.metrics.reloads.inc();
        new.tell_what_is_empty(Some(old));
        if !new.admits_anybody() {
            tracing::warn!("{NOBODY_ADMITS}");
        }
        self.last_failure.store(None);
        self.generations.swap(new, SystemTime::now());
        self.observers.serve(self.generation().observers());
        (generation, changes)
    }

    /// Lets the candidate in the shadow serve, as it has been compared, whatever its files say
    /// now. From then on reloads read those, until the proxy is started anew. The shadow is empty
    /// after it. None: it is empty before.
    ///
    /// # Errors
    /// The candidate cannot be started again.
    pub fn promote(&self) -> Result<Option<Promoted>, Mistake> {
        let mut reloader = self.reloader.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = self.shadow.running() else {
            return Ok(None);
        };
        let (candidate, old) = (running.candidate(), self.generation());
        let Candidate {
            generation, chain, ..
        } = &*candidate;
        let (id, workers) = (old.id() + 1, self.settings.workers);
        let origin = shadow::origin(chain);
        let new = generation.moved(id, &reloader.engine, workers, &old);
        let new = new.inspect_err(|mistake| {
            tracing::error!(
                "no promotion, generation {} goes on serving:\n{mistake}",
                old.id()
            );
        })?;
        let (generation, changes) = self.serve(new.promoted_from(&origin), &old);
        self.shadow.end(&self.readers);
        reloader.promoted = chain.clone();
        let swap = Swap {
            generation,
            changes,
            promoted: Some(origin.into()),
            restart_needed: false,
            shadow: None,
        };
        tracing::info!("the candidate in the shadow was promoted: {swap}");
        Ok(Some(Promoted {
            swap,
            chain: chain.clone(),
        }))
    }

    /// It, and what the settings say now.
    fn next_generation(
        &self,
        reloader: &mut Reloader,
        old: &Generation,
    ) -> Result<(Generation, Configuration), Mistake> {
        let configuration = Configuration::load(&mut reloader.overrides)?;
        let next = reloader.build(
            old.id() + 1,
            &reloader.engine,
            &reloader.promoted,
            &configuration,
            self.settings.workers,
            Some(old),
        )?;
        let next = match reloader.promoted.is_own() {
            true => next,
            false => next.promoted_from(&shadow::origin(&reloader.promoted)),
        };
        Ok((next.keeping_helpers_of(old), configuration))
    }
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
