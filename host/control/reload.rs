//! `reload`.

use super::answer::Answer;
use super::shadow::ShadowReload;
use crate::app::{App, Kept, Swap};
use crate::generation::Changes;
use serde::{Deserialize, Serialize};

/// What has become of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// The generation that serves now.
    pub generation: u64,
    /// What is different in it; none where it is the old one, because of a mistake.
    pub plugins: Option<Changes>,
    /// Where its plugins come from since a candidate was promoted; left out where that is what the
    /// settings name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promoted: Option<String>,
    /// Whether settings have changed that hold only when the proxy is started anew.
    pub restart_needed: bool,
    /// The mistake, with file, line and caret; none where all went well.
    pub failure: Option<String>,
    /// What has become of the shadow; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowReload>,
}

/// Whoever asked may go meanwhile: it comes to its end.
pub(super) fn reload(app: &App, answer: &mut Answer) {
    let _ = answer.line(&Reload::from(app.reload()));
}

impl From<Result<Swap, Kept>> for Reload {
    fn from(done: Result<Swap, Kept>) -> Reload {
        match done {
            Ok(swap) => Reload {
                generation: swap.generation,
                plugins: Some(swap.changes),
                promoted: swap.promoted.map(|origin| origin.to_string()),
                restart_needed: swap.restart_needed,
                failure: None,
                shadow: swap.shadow.map(ShadowReload::from),
            },
            Err(kept) => Reload {
                generation: kept.generation,
                plugins: None,
                promoted: None,
                restart_needed: false,
                failure: Some(kept.mistake.to_string()),
                shadow: None,
            },
        }
    }
}
