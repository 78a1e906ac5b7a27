//! What is in the shadow, for people.

use crate::cli::reload;
use crate::control::{
    Answered, DifferenceGroup, Differences, ExampleEntry, Promotion, ShadowReload, ShadowStatus,
};
use crate::shadow::renewal_failed;
use std::fmt::Write as _;

/// How it fares, in a line.
pub(crate) fn facts(status: &ShadowStatus) -> String {
    let ShadowStatus {
        candidate,
        report_since,
        requests,
        different,
        ..
    } = status;
    let mut text = format!(
        "candidate {candidate}; {requests} compared since {report_since}, {different} different"
    );
    for (count, what) in [(status.failed, "failed"), (status.dropped, "dropped")] {
        if count > 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

/// All that the report has.
pub(super) fn report(report: &Differences) -> String {
    let mut text = head(report);
    for group in &report.differences {
        text.push('\n');
        text.push_str(&difference(group));
    }
    if report.left_out > 0 {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "\n{} more differences, of kinds that the report has no room for: see `report` under \
             [shadow]",
            report.left_out
        );
    }
    text
}

fn head(report: &Differences) -> String {
    let ShadowStatus {
        candidate,
        since,
        plugins,
        config,
        report_since,
        requests,
        different,
        failed,
        dropped,
        waiting,
    } = &report.status;
    let from = match (plugins, config) {
        (Some(plugins), Some(config)) => format!("plugins of {plugins} by {config}"),
        (Some(plugins), None) => format!("plugins of {plugins}"),
        (None, Some(config)) => format!("the same plugins by {config}"),
        (None, None) => "the same plugins".to_owned(),
    };
    let waiting = match waiting {
        0 => String::new(),
        waiting => format!("; {waiting} wait"),
    };
    let facts = [
        ("candidate", format!("{candidate} since {since}: {from}")),
        ("beside", format!("generation {}", report.generation)),
        (
            "compared",
            format!("{requests} requests since {report_since}{waiting}"),
        ),
        ("different", different.to_string()),
        ("failed", failed.to_string()),
        ("dropped", dropped.to_string()),
    ];
    facts
        .map(|(name, value)| format!("{name:9}  {value}\n"))
        .concat()
}

fn difference(group: &DifferenceGroup) -> String {
    let DifferenceGroup {
        hook,
        failed,
        count,
        first,
        last,
        live,
        candidate,
        examples,
    } = group;
    let what = if *failed { "fails" } else { "differs" };
    let times = match count {
        1 => format!("once, {first}"),
        count => format!("{count} times, {first} to {last}"),
    };
    let mut text = format!("{hook} {what} {times}\n");
    for (name, said) in [("live", live), ("candidate", candidate)] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:9}  {}", answered(said));
    }
    for example in examples {
        text.push_str(&named(example));
    }
    text
}

/// `deny 403: http_access deny all, wproxy.toml:13, plugin access-policy`
fn answered(said: &Answered) -> String {
    let Answered {
        text,
        rule,
        plugin,
        rule_at,
    } = said;
    let mut line = text.clone();
    if let Some(rule) = rule {
        let _ = write!(line, ": {rule}");
    }
    if let Some(at) = rule_at {
        let _ = write!(line, ", {at}");
    }
    if let Some(plugin) = plugin {
        let _ = write!(line, ", plugin {plugin}");
    }
    line
}

fn named(example: &ExampleEntry) -> String {
    let ExampleEntry {
        request,
        time,
        client,
        method,
        uri,
    } = example;
    format!("  {time}  {client}  {method} {uri}  request {request}\n")
}

/// What serves now, and what to do so that it stays.
pub(super) fn promotion(promotion: &Promotion) -> String {
    let Promotion {
        generation,
        changes,
        plugins,
        config,
    } = promotion;
    let mut text = reload::changed(*generation, changes);
    text.push_str(
        "The shadow is empty. So that this serves when the proxy is started anew, too:\n",
    );
    if let Some(plugins) = plugins {
        let _ = writeln!(text, "  start it with --plugins {plugins}");
    }
    if let Some(config) = config {
        let _ = writeln!(
            text,
            "  put [plugins] and [sets] of {config} into its settings, in place of those there"
        );
    }
    text.push_str("  leave out --shadow and --shadow-config, and what [shadow] names\n");
    text
}

/// What has become of it at a reload.
pub(crate) fn reloaded(shadow: &ShadowReload) -> String {
    match shadow {
        ShadowReload {
            candidate,
            failure: Some(failure),
            ..
        } => format!("{}\n{failure}\n", renewal_failed(*candidate)),
        ShadowReload {
            candidate: Some(candidate),
            plugins: Some(changes),
            ..
        } => format!("candidate {candidate} is in the shadow: {changes}\n"),
        _ => "the shadow is empty now\n".to_owned(),
    }
}
