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

/// `deny 403 by http_access deny all (wproxy.toml:13, plugin access-policy)`
fn answered(Answered { text, rule }: &Answered) -> String {
    match rule {
        Some(rule) => format!("{text} by {}", rule.located()),
        None => text.clone(),
    }
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
    text.push_str("The shadow is empty. To keep this policy after a restart:\n");
    if let Some(plugins) = plugins {
        let _ = writeln!(text, "  start it with --plugins {plugins}");
    }
    if let Some(config) = config {
        let _ = writeln!(
            text,
            "  put [plugins], [sets] and [helpers] of {config} into its settings, in place of those there"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Location;
    use crate::generation::Changes;
    use crate::plugin::Rule;

    fn status() -> ShadowStatus {
        ShadowStatus {
            candidate: 2,
            since: "2026-11-24T21:50:03Z".into(),
            plugins: Some("next".into()),
            config: Some("next.toml".into()),
            report_since: "2026-11-24T21:51:00Z".into(),
            requests: 1234,
            different: 3,
            failed: 0,
            dropped: 0,
            waiting: 0,
        }
    }

    fn said(text: &str, rule: Option<(&str, Option<&str>)>) -> Answered {
        Answered {
            text: text.to_owned(),
            rule: rule
                .map(|(rule, at)| Rule::new("access-policy", rule, at.and_then(Location::read))),
        }
    }

    #[test]
    fn a_report_has_both_rules_and_requests_by_name() {
        let access = DifferenceGroup {
            hook: "access".into(),
            failed: false,
            count: 2,
            first: "2026-11-24T21:52:00Z".into(),
            last: "2026-11-24T21:53:00Z".into(),
            live: said(
                "allow",
                Some(("http_access allow all", Some("wproxy.toml:7"))),
            ),
            candidate: said("deny 403", Some(("built-in", None))),
            examples: vec![ExampleEntry {
                request: 1001,
                time: "2026-11-24T21:52:00Z".into(),
                client: "10.0.0.1".into(),
                method: "GET".into(),
                uri: "http://a.test/?".into(),
            }],
        };
        let headers = DifferenceGroup {
            hook: "request-headers".into(),
            failed: true,
            count: 1,
            last: "2026-11-24T21:52:00Z".into(),
            live: said("edited", None),
            candidate: said("it trapped", None),
            examples: vec![],
            ..access.clone()
        };
        let mut differences = Differences {
            status: status(),
            generation: 7,
            differences: vec![access, headers],
            left_out: 0,
        };
        let expected = "candidate  2 since 2026-11-24T21:50:03Z: plugins of next by next.toml\n\
            beside     generation 7\n\
            compared   1234 requests since 2026-11-24T21:51:00Z\n\
            different  3\n\
            failed     0\n\
            dropped    0\n\
            \n\
            access differs 2 times, 2026-11-24T21:52:00Z to 2026-11-24T21:53:00Z\n\
            \x20 live       allow by http_access allow all (wproxy.toml:7, plugin access-policy)\n\
            \x20 candidate  deny 403 by built-in (plugin access-policy)\n\
            \x20 2026-11-24T21:52:00Z  10.0.0.1  GET http://a.test/?  request 1001\n\
            \n\
            request-headers fails once, 2026-11-24T21:52:00Z\n\
            \x20 live       edited\n\
            \x20 candidate  it trapped\n";
        assert_eq!(report(&differences), expected);
        (differences.left_out, differences.status.waiting) = (5, 9);
        let text = report(&differences);
        for part in [
            "21:51:00Z; 9 wait\n",
            "\n\n5 more differences, of kinds that",
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }

    #[test]
    fn in_a_line_only_trouble_is_named_beside_what_differs() {
        let mut status = status();
        let line = "candidate 2; 1234 compared since 2026-11-24T21:51:00Z, 3 different";
        assert_eq!(facts(&status), line);
        (status.failed, status.dropped) = (1, 2);
        assert_eq!(facts(&status), format!("{line}, 1 failed, 2 dropped"));
    }

    #[test]
    fn a_promotion_says_what_to_change() {
        let mut done = Promotion {
            generation: 3,
            changes: Changes::default(),
            plugins: Some("next".into()),
            config: None,
        };
        let begin = "generation 3 serves: 0 plugins, 0 of them unchanged\nThe shadow is empty. To \
            keep this policy after a restart:\n";
        let end = "  leave out --shadow and --shadow-config, and what [shadow] names\n";
        let plugins = "  start it with --plugins next\n";
        assert_eq!(promotion(&done), format!("{begin}{plugins}{end}"));
        done.config = Some("next.toml".into());
        let config = "  put [plugins], [sets] and [helpers] of next.toml into its settings, in place of those there\n";
        assert_eq!(promotion(&done), format!("{begin}{plugins}{config}{end}"));
    }
}
