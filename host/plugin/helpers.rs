//! Which helpers there are to ask: the interface `helpers`.

use crate::config::HelperSettings;
use std::sync::Arc;

/// The names of the helpers that a plugin can ask; without a list, every name is one. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelperNames(Option<Arc<[String]>>);

// === impl HelperNames ===

impl HelperNames {
    /// Those of the settings.
    pub fn of(settings: &[HelperSettings]) -> HelperNames {
        HelperNames(Some(settings.iter().map(|one| one.name.clone()).collect()))
    }

    /// Every name: for a plugin that asks none, and where there are no settings.
    pub fn any() -> HelperNames {
        HelperNames(None)
    }

    /// Whether there is one of that name.
    ///
    /// # Errors
    /// There is none: a sentence for whoever wrote that name into a configuration.
    pub fn find(&self, name: &str) -> Result<(), String> {
        let Some(names) = &self.0 else {
            return Ok(());
        };
        if names.iter().any(|known| known == name) {
            return Ok(());
        }
        let known = match names.is_empty() {
            true => String::new(),
            false => format!("; there are: {}", names.join(", ")),
        };
        Err(format!(
            "there is no helper `{name}`{known}. [helpers.{name}] in the settings says what it is"
        ))
    }
}
