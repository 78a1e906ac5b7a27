//! What squid 5.7 did with the same octets, case by case.
//!
//! `cases/squid57.json` is a record of a squid with the documented configuration: what clients
//! sent, what the origin answered, what each of them saw. Here clients and origins do the same to
//! the real binary, and what they see is compared. Where the two differ on purpose,
//! `cases/differences.toml` says how and why; any other difference is a failure, and so is one
//! that is listed but no longer there.
//!
//! # The record
//!
//! A list of cases; a case has steps, and each step is one connection of a client:
//!
//! ```text
//! id, group
//! origin      what the origin answers, the first entry that fits the request:
//!   path      what follows the case's id in the request's path, query left off
//!   has       [field, text]: a field with that text in its value
//!   nth       counted from 1, for this case and path
//!   again     not the first request on its connection
//!   answer    octets; close: the connection ends after them
//! steps
//!   wait      milliseconds before it
//!   client    10, 10b and self are of the local network, 192 is not, 127 is the proxy's machine
//!   send      octets, one request each; continue: what follows a 100 (Continue)
//!   tunnel    octets for the tunnel once it stands; its other end sends them back after `echo:`
//!   squid     responses: status, reason, interim, fields, trailers, body, close (the connection
//!             ends); error (squid's code) or page (the manager's) in place of fields and body;
//!             tunnel (octets that came through); closed (no response)
//!   origin    requests: line, fields, octets of the body; none where it was not asked
//! ```
//!
//! In texts, a character is an octet, and braces hold what changes: `{http}`, `{https}`,
//! `{tunnel}`, `{proxyport}` are ports, `{proxy}` is its address with the port, `{n}` the number of the
//! request for this case and path, `{t-60}` the date a minute ago, `{v*827}` a text so many times.
//!
//! # What is not compared
//!
//! Connection (but whether it ends is), X-Cache-Lookup (squid only), Cache-Status (wproxy only),
//! the product in Via, dates (but their presence is), an Age's last digit, the order of fields with
//! different names and the case of names, what an error page says beside its code, what the
//! manager's pages say.

mod case;
mod compare;
mod network;
mod replay;

use case::Case;
use replay::Replay;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::thread::ScopedJoinHandle;

/// Something that is not as in squid, on purpose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    squid: String,
    wproxy: String,
    reason: String,
    /// By case: every line that the comparison gives for it.
    cases: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Differences {
    difference: Vec<Difference>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("cases/squid57.json")).expect("the record")
}

fn differences() -> Vec<Difference> {
    let text = include_str!("cases/differences.toml");
    let Differences { difference } = toml::from_str(text).expect("the differences");
    difference
}

/// Replays a group, and fails with all that is not as it should be.
fn as_in_squid(group: &str) {
    let cases: Vec<Case> = cases().into_iter().filter(|c| c.group == group).collect();
    let report = report(&cases);
    assert!(report.is_empty(), "squid -> wproxy:\n{report}");
}

fn report(cases: &[Case]) -> String {
    let differences = differences();
    let replay = Replay::start(cases);
    let mut report = String::new();
    for case in cases {
        let expected: Vec<&String> = differences
            .iter()
            .filter_map(|difference| difference.cases.get(&case.id))
            .flatten()
            .collect();
        let found = replay.case(case);
        for line in found.iter().filter(|line| !expected.contains(line)) {
            let _ = writeln!(report, "{}: {line}", case.id);
        }
        for line in expected.iter().filter(|line| !found.contains(line)) {
            let _ = writeln!(report, "{}: listed, but not so: {line}", case.id);
        }
    }
    report
}

#[test]
fn what_goes_over_the_wire() {
    as_in_squid("wire");
}

#[test]
fn connections_that_end() {
    as_in_squid("conn");
}

#[test]
fn who_may_ask_for_what() {
    as_in_squid("acl");
}

#[test]
fn tunnels() {
    as_in_squid("connect");
}

#[test]
fn the_manager() {
    as_in_squid("mgr");
}

#[test]
fn failing_servers() {
    as_in_squid("err");
}

#[test]
fn malformed_requests() {
    as_in_squid("badreq");
}

#[test]
fn addresses_that_lead_inside() {
    as_in_squid("ssrf");
}

#[test]
fn what_is_stored_and_for_how_long() {
    as_in_squid("cache");
}

/// Each case has a proxy of its own, so that they wait side by side.
#[test]
fn what_has_become_stale() {
    let cases: Vec<Case> = cases().into_iter().filter(|c| c.group == "stale").collect();
    let reports: Vec<String> = std::thread::scope(|scope| {
        let cases = cases.chunks(1);
        let running: Vec<_> = cases.map(|case| scope.spawn(|| report(case))).collect();
        let reports = running.into_iter().map(ScopedJoinHandle::join);
        reports.map(|report| report.expect("a report")).collect()
    });
    assert!(
        reports.concat().is_empty(),
        "squid -> wproxy:\n{}",
        reports.concat()
    );
}

#[test]
fn the_record_and_the_differences_belong_together() {
    let cases = cases();
    let ids: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids.len(), cases.len(), "an id stands for two cases");
    assert!(ids.len() >= 300, "{} cases", ids.len());
    let tested = [
        "wire", "conn", "acl", "connect", "mgr", "err", "badreq", "ssrf", "cache", "stale",
    ];
    for case in &cases {
        assert!(tested.contains(&&*case.group), "{} is never run", case.id);
    }
    let readme = include_str!("../README.md");
    let mut reasons = BTreeSet::new();
    for difference in differences() {
        let Difference {
            squid,
            wproxy,
            reason,
            cases,
        } = &difference;
        for text in [squid, wproxy, reason] {
            assert!(!text.trim().is_empty(), "{difference:?} says too little");
        }
        assert!(reasons.insert(reason.clone()), "stands twice: {reason}");
        let row = format!("| {squid} | {wproxy} | {reason} |\n");
        assert!(readme.contains(&row), "missing in README.md: {row}");
        assert!(!cases.is_empty(), "no case shows that: {squid}");
        for (id, lines) in cases {
            assert!(ids.contains(&**id), "there is no case {id}");
            assert!(!lines.is_empty(), "{id} is listed, and does not differ");
        }
    }
}
