//! For people.

use crate::cli::text::count;
use crate::comparison::Group;
use crate::recording::{End, Header};
use crate::replay::{Example, Report};
use std::io::{self, Write};

pub(super) fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let Report {
        header,
        transactions,
        changed,
        undecided,
        ..
    } = report;
    let Header {
        wproxy,
        generation,
        began,
        ..
    } = header;
    let from = format!("at {began} from generation {generation} of wproxy {wproxy}");
    let from = printable(&from);
    let number = count(*transactions, "transaction");
    writeln!(out, "{number}, recorded {from}")?;
    match changed {
        0 if undecided >= transactions => writeln!(out, "none of them could be tried")?,
        0 => writeln!(out, "none of them would change")?,
        changed => writeln!(out, "{changed} of them would change")?,
    }
    for group in report.groups() {
        print_group(group, out)?;
    }
    for remark in remarks(report) {
        writeln!(out, "\nnote: {remark}")?;
    }
    Ok(())
}

fn print_group(group: &Group<Example>, out: &mut impl Write) -> io::Result<()> {
    let Group {
        hook,
        live,
        candidate,
        count,
        examples,
        ..
    } = group;
    writeln!(out, "\n{count} in {hook}")?;
    writeln!(out, "  was       {}", printable(&live.to_string()))?;
    writeln!(out, "  would be  {}", printable(&candidate.to_string()))?;
    for example in examples {
        print_example(example, out)?;
    }
    match *count - examples.len() as u64 {
        more @ 1.. if !examples.is_empty() => writeln!(out, "    and {more} more"),
        _ => Ok(()),
    }
}

fn print_example(example: &Example, out: &mut impl Write) -> io::Result<()> {
    let Example {
        id,
        method,
        uri,
        client,
        live,
        candidate,
        received: _,
    } = example;
    writeln!(out, "    {method} {uri} from {client}, request {id}")?;
    for (what, detail) in [("was", live), ("would be", candidate)] {
        if !detail.is_empty() {
            writeln!(out, "      {what:8}  {}", printable(detail))?;
        }
    }
    Ok(())
}

/// On one line, whatever a client, a server or the file says.
fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// What is to be known of how far that can be trusted.
fn remarks(report: &Report) -> Vec<String> {
    let Report {
        end,
        undecided,
        failed,
        redacted,
        redacted_in,
        ..
    } = report;
    let mut remarks = Vec::new();
    if *undecided > 0 {
        remarks.push(format!(
            "{undecided} cannot be judged: this policy asks for addresses of servers or answers of \
             helpers that are not in the recording"
        ));
    }
    if *failed > 0 {
        remarks.push(format!(
            "in {failed}, a plugin of this policy failed, which is what would happen to the clients"
        ));
    }
    if *redacted > 0 {
        let places = redacted_in.iter().map(String::as_str).collect::<Vec<_>>();
        remarks.push(format!(
            "in {redacted}, tokens replace secrets ({}): rules on what these are cannot \
             be judged, rules on whether they are there can",
            printable(&places.join(", "))
        ));
    }
    match end {
        End::Finished(finished) if finished.missed > 0 => remarks.push(format!(
            "{} more were not recorded: they came faster than they could be taken",
            finished.missed
        )),
        End::Finished(_) => {}
        End::Missing => {
            remarks.push("the recording was broken off: its last line is missing".into());
        }
        End::Part => remarks.push(
            "the recording was broken off in the middle of its last line, which is left out".into(),
        ),
    }
    remarks
}
