//! `wproxy status`

use super::running::{self, Proxy};
use super::shadow;
use super::text::{short_digest, span, tiers};
use crate::app::{as_promoted, reload_failed};
use crate::control::{HelperStatus, PluginStatus, Request, Status};
use crate::shadow::renewal_failed;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

pub(super) fn status(proxy: &Proxy) -> anyhow::Result<ExitCode> {
    running::print(|out| {
        proxy.ask(&Request::Status {}, |status: Status, line| {
            match proxy.json {
                true => writeln!(out, "{line}"),
                false => write!(out, "{}", text(&status)),
            }
        })?;
        Ok(ExitCode::SUCCESS)
    })
}

fn text(status: &Status) -> String {
    let mut parts = vec![facts(status), plugins(&status.plugins)];
    parts.extend(helpers(&status.helpers));
    parts.push(tiers(&status.cache));
    parts.extend(requests(status));
    if let Some(failure) = &status.last_failure {
        let failed = reload_failed(status.generation);
        parts.push(format!("The last {failed}\n{failure}\n"));
    }
    if let Some(failure) = &status.shadow_failure {
        let candidate = status.shadow.as_ref().map(|shadow| shadow.candidate);
        parts.push(format!("{}\n{failure}\n", renewal_failed(candidate)));
    }
    parts.join("\n")
}

fn facts(status: &Status) -> String {
    let Status {
        version,
        pid,
        uptime,
        generation,
        since,
        reloads,
        reload_failures,
        ..
    } = status;
    let alive = match status.generations {
        0 | 1 => String::new(),
        alive => format!("; {alive} alive"),
    };
    let mut facts = vec![
        (
            "wproxy",
            format!("{version}, pid {pid}, up {}", span(*uptime)),
        ),
        ("listens", status.listeners.join(", ")),
        ("workers", status.workers.to_string()),
        ("clients", status.connections.to_string()),
        ("generation", format!("{generation} since {since}{alive}")),
        (
            "reloads",
            format!("{reloads} done, {reload_failures} failed"),
        ),
    ];
    if let Some(origin) = &status.promoted {
        facts.push(("promoted", as_promoted(origin)));
    }
    if let Some(shadow) = &status.shadow {
        facts.push(("shadow", shadow::facts(shadow)));
    }
    let lines = facts.iter();
    let lines = lines.map(|(name, value)| format!("{name:10}  {value}\n"));
    lines.collect()
}

/// What the plugins are, and under each what is put aside.
fn plugins(plugins: &[PluginStatus]) -> String {
    let widest = plugins.iter().map(|plugin| plugin.name.chars().count());
    let width = widest.max().unwrap_or_default().max("PLUGIN".len());
    let mut text = format!("{:width$}  WIT    DIGEST        HOOKS\n", "PLUGIN");
    for plugin in plugins {
        let (name, wit, hooks) = (&plugin.name, &plugin.wit, plugin.hooks.join(", "));
        let digest = short_digest(&plugin.digest);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:width$}  {wit:5}  {digest:12}  {hooks}");
        for hook in &plugin.aside {
            let _ = writeln!(text, "  suspended: {hook}, which keeps failing");
        }
    }
    text
}

/// What has come of asking helpers, and under each that is down, why; nothing where there are none.
fn helpers(helpers: &[HelperStatus]) -> Option<String> {
    let widest = helpers.iter().map(|helper| helper.name.chars().count());
    let width = widest.max()?.max("HELPER".len());
    let mut text = format!(
        "{:width$}  STATE      KEPT     ASKED      HITS    FAILED  TIMEOUTS\n",
        "HELPER"
    );
    for helper in helpers {
        let HelperStatus {
            name,
            up,
            failure,
            kept,
            questions,
            hits,
            failures,
            timeouts,
        } = helper;
        let state = match up {
            None => "-",
            Some(true) => "up",
            Some(false) => "down",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{name:width$}  {state:5}  {kept:8}  {questions:8}  {hits:8}  {failures:8}  {timeouts:8}"
        );
        if let Some(failure) = failure {
            let _ = writeln!(text, "  no answer: {failure}");
        }
    }
    Some(text)
}

/// By code, without those that none had; nothing where there were none.
fn requests(status: &Status) -> Option<String> {
    let mut text = String::new();
    for (code, requests) in status
        .requests
        .iter()
        .filter(|(_, requests)| **requests > 0)
    {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{requests:8}  {code}");
    }
    (!text.is_empty()).then(|| format!("REQUESTS  CODE\n{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::CacheTier;

    fn shown() -> Status {
        let plugin = |name: &str, hooks: &[&str]| PluginStatus {
            name: name.into(),
            digest: format!("sha256:{}", "0123456789abcdef".repeat(4)),
            wit: "0.2.0".into(),
            hooks: hooks.iter().copied().map(str::to_owned).collect(),
            aside: vec![],
        };
        let memory = CacheTier {
            tier: "memory".into(),
            responses: 12,
            octets: 64 << 20,
            budget: 128 << 20,
        };
        Status {
            version: "0.1.0".into(),
            pid: 4711,
            uptime: 7260,
            listeners: vec!["127.0.0.1:8080".into(), "[::1]:8080".into()],
            workers: 2,
            connections: 7,
            generation: 3,
            since: "2026-11-24T21:50:03Z".into(),
            promoted: None,
            generations: 1,
            reloads: 2,
            reload_failures: 0,
            last_failure: None,
            plugins: vec![
                plugin("access-policy", &["access"]),
                plugin("scrub", &["request-headers", "response-headers"]),
            ],
            helpers: vec![],
            shadow: None,
            shadow_failure: None,
            cache: vec![memory],
            requests: [
                ("NONE_NONE".into(), 0),
                ("TCP_MISS".into(), 1234),
                ("TCP_DENIED".into(), 1),
            ]
            .into(),
        }
    }

    #[test]
    fn what_an_operator_looks_at_first() {
        assert_eq!(
            text(&shown()),
            "wproxy      0.1.0, pid 4711, up 2 h\n\
             listens     127.0.0.1:8080, [::1]:8080\n\
             workers     2\n\
             clients     7\n\
             generation  3 since 2026-11-24T21:50:03Z\n\
             reloads     2 done, 0 failed\n\n\
             PLUGIN         WIT    DIGEST        HOOKS\n\
             access-policy  0.2.0  0123456789ab  access\n\
             scrub          0.2.0  0123456789ab  request-headers, response-headers\n\n\
             TIER    RESPONSES     SIZE   BUDGET  USED\n\
             memory         12    64 MB   128 MB   50%\n\n\
             REQUESTS  CODE\n\
             \x20      1  TCP_DENIED\n\
             \x20   1234  TCP_MISS\n"
        );
    }

    #[test]
    fn helpers_have_a_row_each() {
        let helper = |name: &str, up, failure: Option<&str>| HelperStatus {
            name: name.into(),
            up,
            failure: failure.map(str::to_owned),
            kept: 12,
            questions: 1234,
            hits: 1200,
            failures: 3,
            timeouts: 1,
        };
        let text = helpers(&[
            helper("directory", Some(false), Some("connection refused")),
            helper("userip", Some(true), None),
            HelperStatus {
                kept: 0,
                questions: 0,
                hits: 0,
                failures: 0,
                timeouts: 0,
                ..helper("unasked", None, None)
            },
        ]);
        assert_eq!(
            text.as_deref(),
            Some(
                "HELPER     STATE      KEPT     ASKED      HITS    FAILED  TIMEOUTS\n\
                 directory  down         12      1234      1200         3         1\n\
                 \x20 no answer: connection refused\n\
                 userip     up           12      1234      1200         3         1\n\
                 unasked    -             0         0         0         0         0\n"
            )
        );
        assert_eq!(helpers(&[]), None);
    }

    #[test]
    fn trouble_is_shown_where_there_is_some() {
        let mut status = shown();
        status.plugins[0].aside.push("access".into());
        status.last_failure = Some("acl `our` is not defined".into());
        (status.generations, status.reload_failures) = (2, 1);
        status.requests.clear();
        let text = text(&status);
        for part in [
            "generation  3 since 2026-11-24T21:50:03Z; 2 alive\n",
            "reloads     2 done, 1 failed\n",
            "0123456789ab  access\n  suspended: access, which keeps failing\nscrub ",
            "50%\n\nThe last reload failed, generation 3 goes on serving:\nacl `our` is not defined\n",
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }
}
