//! For programs: a line for each change, then one about all. Keys stay as they are; there may be more.
//!
//! ```text
//! {"hook":"access","was":{"text":"allow","failed":false,"rule":{...}},"would_be":{...},"count":207,
//!  "examples":[{"id":1001,"received":"...","method":"GET","uri":"...","client":"10.1.2.3","was":"","would_be":""}]}
//! {"transactions":8214,"changed":207,"undecided":0,"failed":0,"redacted":8202,"redacted_in":["uri"],"missed":0}
//! ```
//!
//! `was` and `would_be` of an example are what is of that request alone: values of fields, a key.

use crate::comparison::{Group, Said};
use crate::plugin::Rule;
use crate::recording::End;
use crate::replay::{Example, Report};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::{self, Write};

#[derive(Serialize)]
struct Change<'a> {
    hook: String,
    was: Answer<'a>,
    would_be: Answer<'a>,
    count: u64,
    examples: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Answer<'a> {
    text: &'a str,
    failed: bool,
    rule: Option<&'a Rule>,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: u64,
    received: String,
    method: &'a str,
    uri: &'a str,
    client: String,
    was: &'a str,
    would_be: &'a str,
}

#[derive(Serialize)]
struct Summary<'a> {
    transactions: u64,
    changed: u64,
    undecided: u64,
    failed: u64,
    redacted: u64,
    redacted_in: &'a BTreeSet<String>,
    /// None where the recording was broken off, and nobody knows.
    missed: Option<u64>,
}

pub(super) fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for group in report.groups() {
        line(&change(group), out)?;
    }
    let summary = Summary {
        transactions: report.transactions,
        changed: report.changed,
        undecided: report.undecided,
        failed: report.failed,
        redacted: report.redacted,
        redacted_in: &report.redacted_in,
        missed: match &report.end {
            End::Finished(finished) => Some(finished.missed),
            End::Missing | End::Part => None,
        },
    };
    line(&summary, out)
}

fn line(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

fn change(group: &Group<Example>) -> Change<'_> {
    let Group {
        hook,
        live,
        candidate,
        count,
        examples,
        ..
    } = group;
    Change {
        hook: hook.to_string(),
        was: answer(live),
        would_be: answer(candidate),
        count: *count,
        examples: examples.iter().map(example).collect(),
    }
}

fn answer(said: &Said) -> Answer<'_> {
    Answer {
        text: &said.gist,
        failed: said.failed,
        rule: said.rule.as_ref(),
    }
}

fn example(example: &Example) -> Shown<'_> {
    Shown {
        id: example.id,
        received: example.received.to_string(),
        method: &example.method,
        uri: &example.uri,
        client: example.client.to_string(),
        was: &example.live,
        would_be: &example.candidate,
    }
}
