//! What has become of a reload: a swap, or a mistake that prevented it.

use crate::config::Mistake;
use crate::generation::Changes;
use crate::shadow::Renewed;
use std::fmt;
use std::sync::Arc;

/// Another generation serves.
#[derive(Debug, Clone)]
pub struct Swap {
    /// Its number.
    pub generation: u64,
    /// What is different in it.
    pub changes: Changes,
    /// Where its plugins come from, where that is not what the settings name.
    pub promoted: Option<Arc<str>>,
    /// Whether settings have changed that hold only when the proxy is started anew.
    pub restart_needed: bool,
    /// What has become of the shadow; none where there is none.
    pub shadow: Option<Renewed>,
}

/// There was a mistake: the old generation goes on serving.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}\n{mistake}", reload_failed(*generation))]
pub struct Kept {
    /// The number of the old one.
    pub generation: u64,
    /// What is wrong, and where.
    pub mistake: Arc<Mistake>,
}

/// What is said of settings that a reload does not touch.
pub const RESTART_NEEDED: &str = "settings outside [plugins], [sets], [helpers] and [shadow] have \
     changed: restart the proxy to apply them";

/// What is said of plugins that come from elsewhere than the settings say.
pub fn as_promoted(origin: &str) -> String {
    format!("{origin}, as promoted, instead of what the settings name, until the proxy restarts")
}

/// What is said before the mistake.
pub fn reload_failed(generation: u64) -> String {
    format!("reload failed, generation {generation} goes on serving:")
}

// === impl Swap ===

impl fmt::Display for Swap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {} serves: {}", self.generation, self.changes)?;
        match &self.promoted {
            Some(origin) => write!(f, "; {}", as_promoted(origin)),
            None => Ok(()),
        }
    }
}
