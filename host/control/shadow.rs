//! `shadow report`, `shadow promote`.

use super::answer::{Answer, Refusal};
use super::moment;
use crate::app::{App, Promoted};
use crate::comparison::{Group, Said};
use crate::config::Chain;
use crate::generation::Changes;
use crate::plugin::Rule;
use crate::shadow::{Example, Facts, Renewed};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// What is to be said of the shadow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShadowReport {
    /// Whether the report begins anew after that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reset: bool,
}

/// The candidate in the shadow, and how it fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowStatus {
    /// Counted from 1, the first in the shadow.
    pub candidate: u64,
    /// When it came there, as `2026-11-24T21:50:03Z`.
    pub since: String,
    /// The folder that its plugins are from; none: those that serve are from there, too.
    pub plugins: Option<String>,
    /// The file that its settings are from; none: the proxy's own.
    pub config: Option<String>,
    /// When the report was begun. Everything here has been counted since then.
    pub report_since: String,
    /// Requests that it was asked about.
    pub requests: u64,
    /// Those of them about which it says something else.
    pub different: u64,
    /// Those of them about which it failed to say something.
    pub failed: u64,
    /// Requests that it was not asked about for want of time.
    pub dropped: u64,
    /// Requests that wait for it.
    pub waiting: u64,
}

/// What the candidate says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differences {
    /// The candidate, and how it fares.
    #[serde(flatten)]
    pub status: ShadowStatus,
    /// The generation that serves.
    pub generation: u64,
    /// By the rules that decide: the most frequent first.
    pub differences: Vec<DifferenceGroup>,
    /// Differences that the report had no room for.
    pub left_out: u64,
}

/// Differences in one hook by the same rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceGroup {
    /// `access`
    pub hook: String,
    /// Whether the candidate has failed, instead of saying something else.
    pub failed: bool,
    /// How many.
    pub count: u64,
    /// When the first one was found.
    pub first: String,
    /// When the last one was.
    pub last: String,
    /// What decides for clients; of the first one.
    pub live: Answered,
    /// What would.
    pub candidate: Answered,
    /// The first of the requests.
    pub examples: Vec<ExampleEntry>,
}

/// What a chain says, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// In words.
    pub text: String,
    /// None where no rule was named.
    pub rule: Option<Rule>,
}

/// A request that was different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExampleEntry {
    /// Its number, as the access log has it.
    pub request: u64,
    /// When it was received.
    pub time: String,
    /// Who asked.
    pub client: String,
    /// `GET`
    pub method: String,
    /// As the access log shows it.
    pub uri: String,
}

/// The candidate serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// As the generation of that number.
    pub generation: u64,
    /// What is different in it.
    pub changes: Changes,
    /// The folder that reloads read its plugins from, until the proxy is started anew.
    pub plugins: Option<String>,
    /// The file that they read its settings from.
    pub config: Option<String>,
}

/// What has become of the shadow at a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowReload {
    /// The candidate that is in it now; none where it is empty.
    pub candidate: Option<u64>,
    /// What is different in that; none where it is the old one, or none.
    pub plugins: Option<Changes>,
    /// The mistake that left the old one there, or none.
    pub failure: Option<String>,
}

/// How the shadow fares; none where it is empty.
pub(super) fn status(app: &App) -> Option<ShadowStatus> {
    let running = app.shadow.running()?;
    Some(shadow_status(&running.facts()))
}

pub(super) fn report(app: &App, what: &ShadowReport, answer: &mut Answer) -> Result<(), Refusal> {
    let running = app.shadow.running().ok_or_else(|| empty(app))?;
    let facts = match what.reset {
        false => running.facts(),
        true => running.reset(),
    };
    let groups = &facts.report.groups;
    let largest_first = groups.largest_first().into_iter();
    let _ = answer.line(&Differences {
        status: shadow_status(&facts),
        generation: app.generation().id(),
        differences: largest_first.map(DifferenceGroup::from).collect(),
        left_out: groups.left_out,
    });
    Ok(())
}

/// Whoever asked may go meanwhile: it comes to its end.
pub(super) fn promote(app: &App, answer: &mut Answer) -> Result<(), Refusal> {
    let promoted = app.promote().map_err(|mistake| {
        let generation = app.generation().id();
        let error = format!("no promotion, generation {generation} goes on serving:\n{mistake}");
        Refusal::new(
            error,
            "fix that, and rebuild the candidate with `wproxy reload`",
        )
    })?;
    let Promoted { swap, chain } = promoted.ok_or_else(|| empty(app))?;
    let Chain { plugins, config } = &chain;
    let _ = answer.line(&Promotion {
        generation: swap.generation,
        changes: swap.changes,
        plugins: plugins.as_deref().map(shown),
        config: config.as_deref().map(shown),
    });
    Ok(())
}

fn empty(app: &App) -> Refusal {
    let help = match app.shadow.last_failure() {
        Some(_) => "the last reload has found a mistake in it: `wproxy status` says which",
        None => {
            "name one under [shadow] in the settings and say `wproxy reload`, or start the proxy \
             with --shadow DIR or --shadow-config FILE"
        }
    };
    Refusal::new("there is no candidate in the shadow", help)
}

fn shadow_status(facts: &Facts) -> ShadowStatus {
    let Facts {
        candidate,
        report,
        dropped,
        waiting,
    } = facts;
    let Chain { plugins, config } = &candidate.chain;
    ShadowStatus {
        candidate: candidate.generation.id(),
        since: moment(candidate.since),
        plugins: plugins.as_deref().map(shown),
        config: config.as_deref().map(shown),
        report_since: moment(report.since),
        requests: report.compared,
        different: report.different,
        failed: report.failed,
        dropped: *dropped,
        waiting: *waiting as u64,
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

impl From<&Group<Example>> for DifferenceGroup {
    fn from(group: &Group<Example>) -> DifferenceGroup {
        DifferenceGroup {
            hook: group.hook.to_string(),
            failed: group.candidate.failed,
            count: group.count,
            first: moment(group.first),
            last: moment(group.last),
            live: Answered::from(&group.live),
            candidate: Answered::from(&group.candidate),
            examples: group.examples.iter().map(ExampleEntry::from).collect(),
        }
    }
}

impl From<&Said> for Answered {
    fn from(said: &Said) -> Answered {
        Answered {
            text: said.gist.clone(),
            rule: said.rule.clone(),
        }
    }
}

impl From<&Example> for ExampleEntry {
    fn from(example: &Example) -> ExampleEntry {
        let text = |text: &Arc<str>| text.to_string();
        ExampleEntry {
            request: example.request,
            time: moment(example.received),
            client: example.client.to_string(),
            method: text(&example.method),
            uri: text(&example.uri),
        }
    }
}

impl From<Renewed> for ShadowReload {
    fn from(renewed: Renewed) -> ShadowReload {
        ShadowReload {
            candidate: renewed.candidate,
            plugins: renewed.changes,
            failure: renewed.failure.map(|mistake| mistake.to_string()),
        }
    }
}
