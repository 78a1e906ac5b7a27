//! The candidate: a chain of plugins with what it counts and keeps, apart from those that serve.

use crate::config::{Chain, Configuration, Mistake};
use crate::generation::{Changes, Generation, Reloader};
use crate::plugin::Engine;
use std::time::SystemTime;

/// A chain that is tried.
#[derive(Debug)]
pub struct Candidate {
    /// Its plugins. Its number is counted from 1, the first one in the shadow.
    pub generation: Generation,
    /// Where they come from.
    pub chain: Chain,
    /// Since when it has been tried.
    pub since: SystemTime,
    engine: Engine,
}

// === impl Candidate ===

impl Candidate {
    /// What the settings want to be tried; none where that is nothing, or what serves already.
    ///
    /// # Errors
    /// The first mistake in it. Nothing has been changed by then.
    pub fn wanted(
        configuration: &Configuration,
        reloader: &Reloader,
        live: &Generation,
        previous: Option<&Candidate>,
        now: SystemTime,
    ) -> Result<Option<Candidate>, Mistake> {
        let chain = configuration.shadow.candidate.clone();
        if chain.is_own() {
            return Ok(None);
        }
        let chain = chain.or(reloader.promoted.clone());
        if chain == reloader.promoted {
            return Ok(None);
        }
        let engine = match previous {
            Some(previous) => previous.engine.clone(),
            None => reloader.engine.apart(),
        };
        // Code and sets that are there already are shared; instances, counters and stores are not.
        let (number, beside) = match previous {
            Some(previous) => (previous.generation.id() + 1, &previous.generation),
            None => (1, live),
        };
        // One thread asks it.
        const WORKERS: usize = 1;
        let generation = {
            let _shadow = tracing::error_span!("shadow").entered();
            reloader.build(
                number,
                &engine,
                &chain,
                configuration,
                WORKERS,
                Some(beside),
            )?
        };
        // Its questions must not stand in the way of those that clients wait for.
        let generation = match previous {
            Some(previous) => generation.keeping_helpers_of(&previous.generation),
            None => generation,
        };
        Ok(Some(Candidate {
            generation,
            chain,
            since: now,
            engine,
        }))
    }

    /// The same, with helpers that nobody has asked yet: the programs of those that somebody has run
    /// on the thread that has asked, and end with it.
    #[must_use]
    pub fn with_fresh_helpers(self) -> Candidate {
        let settings = self.generation.helpers().settings();
        Candidate {
            generation: self.generation.with_helpers(&settings),
            ..self
        }
    }

    /// What is different since that one; all of it, where that came from elsewhere.
    pub fn changes_since(&self, old: &Candidate) -> Changes {
        self.generation.changes_since(&old.generation)
    }
}
