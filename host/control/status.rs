//! `status`.

use super::answer::Answer;
use super::cache::{CacheTier, requests, tiers};
use super::moment;
use super::shadow::{self, ShadowStatus};
use crate::app::App;
use crate::helper::{Counts, Facts, Helper};
use crate::plugin::{Hook, Plugin};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What an operator looks at first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The proxy's.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Seconds.
    pub uptime: u64,
    /// Where clients reach it.
    pub listeners: Vec<String>,
    /// Threads that serve.
    pub workers: u64,
    /// Clients' connections that are open.
    pub connections: u64,
    /// The generation that serves.
    pub generation: u64,
    /// When it began to, as `2026-11-24T21:50:03Z`.
    pub since: String,
    /// Where its plugins come from since a candidate was promoted; left out where that is what the
    /// settings name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promoted: Option<String>,
    /// How many generations there are: that one, and those that requests are still pinned to.
    pub generations: u64,
    /// Generations that were swapped in.
    pub reloads: u64,
    /// Reloads that failed.
    pub reload_failures: u64,
    /// Why the last reload failed; none where it did not.
    pub last_failure: Option<String>,
    /// In the order in which they are asked.
    pub plugins: Vec<PluginStatus>,
    /// Whom they ask what they cannot know, by name.
    #[serde(default)]
    pub helpers: Vec<HelperStatus>,
    /// What is tried beside them; left out where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowStatus>,
    /// Why the candidate could not be made anew at the last reload; left out where it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow_failure: Option<String>,
    /// Where responses are stored.
    pub cache: Vec<CacheTier>,
    /// All requests by squid's codes.
    pub requests: BTreeMap<Cow<'static, str>, u64>,
}

/// A plugin of the generation that serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginStatus {
    /// Its name.
    pub name: String,
    /// Of its component, as `sha256:...`.
    pub digest: String,
    /// The version of the WIT that it is made for.
    pub wit: String,
    /// The hooks that it serves.
    pub hooks: Vec<String>,
    /// Those of them that are put aside at this time, because they keep failing: `access`, or, where
    /// it is for one client alone, `access for 10.0.0.5`.
    pub aside: Vec<String>,
}

/// A helper of the generation that serves. What is counted, is since there is one of that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelperStatus {
    /// Its name.
    pub name: String,
    /// Whether it has answered the last time; none where it was not asked yet.
    pub up: Option<bool>,
    /// Why it has not.
    pub failure: Option<String>,
    /// Answers that are kept.
    pub kept: u64,
    /// Questions of plugins.
    pub questions: u64,
    /// Those of them whose answer was kept.
    pub hits: u64,
    /// How often it had no answer, or none that can be understood.
    pub failures: u64,
    /// Questions that could not wait any longer.
    pub timeouts: u64,
}

pub(super) fn status(app: &App, answer: &mut Answer) {
    // One look: what stands in it belongs together.
    let alive = app.generations.alive();
    let Some(serving) = alive.first() else {
        return;
    };
    let plugins = serving.generation.plugins();
    let listeners = app.upstreams.ourselves();
    let _ = answer.line(&Status {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        uptime: app.uptime().as_secs(),
        listeners: listeners.iter().map(ToString::to_string).collect(),
        workers: app.settings.workers as u64,
        connections: u64::try_from(app.metrics.connections.get()).unwrap_or_default(),
        generation: serving.generation.id(),
        since: moment(serving.since),
        promoted: serving.generation.promoted().map(ToString::to_string),
        generations: alive.len() as u64,
        reloads: app.metrics.reloads.get(),
        reload_failures: app.metrics.reload_failures.get(),
        last_failure: app.last_reload_failure().map(|mistake| mistake.to_string()),
        plugins: plugins.iter().map(|plugin| plugin_status(plugin)).collect(),
        helpers: serving
            .generation
            .helpers()
            .all()
            .map(helper_status)
            .collect(),
        shadow: shadow::status(app),
        shadow_failure: app.shadow.last_failure().map(|mistake| mistake.to_string()),
        cache: tiers(app),
        requests: requests(app),
    });
}

fn plugin_status(plugin: &Plugin) -> PluginStatus {
    PluginStatus {
        name: plugin.name().to_owned(),
        digest: plugin.compiled().digest(),
        wit: plugin.compiled().version().to_string(),
        hooks: plugin.hooks().iter().map(Hook::to_string).collect(),
        aside: plugin.aside().collect(),
    }
}

fn helper_status(helper: &Helper) -> HelperStatus {
    let Facts { up, failure, kept } = helper.facts();
    let Counts {
        questions,
        hits,
        failures,
        timeouts,
    } = helper.counts();
    HelperStatus {
        name: helper.settings().name.clone(),
        up,
        failure: failure.map(|why| why.to_string()),
        kept,
        questions,
        hits,
        failures,
        timeouts,
    }
}
