//! `generations`.

use super::answer::Answer;
use super::moment;
use crate::app::App;
use crate::generation::Alive;
use serde::{Deserialize, Serialize};

/// A generation: the one that serves, or one that requests are still pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationEntry {
    /// Its number.
    pub generation: u64,
    /// Whether it decides about what begins now.
    pub serves: bool,
    /// When it began to, as `2026-11-24T21:50:03Z`.
    pub since: String,
    /// How many requests are pinned to it: tunnels, downloads, and what the cache asks servers.
    pub requests: u64,
    /// In the order in which they are asked.
    pub plugins: Vec<PluginEntry>,
}

/// A plugin of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginEntry {
    /// Its name.
    pub name: String,
    /// Of its component, as `sha256:...`.
    pub digest: String,
}

/// The one that serves first, then back to the oldest.
pub(super) fn generations(app: &App, answer: &mut Answer) {
    for (place, alive) in app.generations.alive().iter().enumerate() {
        if answer.line(&entry(alive, place == 0)).is_break() {
            return;
        }
    }
}

fn entry(alive: &Alive, serves: bool) -> GenerationEntry {
    let Alive { generation, since } = alive;
    let plugins = generation.plugins().iter().map(|plugin| PluginEntry {
        name: plugin.name().to_owned(),
        digest: plugin.compiled().digest(),
    });
    GenerationEntry {
        generation: generation.id(),
        serves,
        since: moment(*since),
        requests: generation.pinned() as u64,
        plugins: plugins.collect(),
    }
}
