//! Another policy, tried on a recording: what would change, by which rules.
//!
//! Requests are asked about one after the other, in the order in which they ended, with the time, the
//! addresses and the fields that were recorded: the same recording and the same policy give the same
//! report. What a plugin has beyond that it has of now: its store is empty at first, and the clock that
//! it may have been granted goes on.

use crate::comparison::{Difference, Group, Groups, Room, Said, Sizes, differences};
use crate::generation::Generation;
use crate::plugin::{Hook, Rule};
use crate::recording::{End, Header, Reader, Transaction, Unreadable};
use std::collections::BTreeSet;
use std::io::BufRead;
use std::net::IpAddr;
use std::sync::Arc;

/// What would change.
#[derive(Debug)]
pub struct Report {
    /// Which recording it is.
    pub header: Header,
    /// What stood at its end.
    pub end: End,
    /// Transactions in it.
    pub transactions: u64,
    /// Those of which something would change.
    pub changed: u64,
    /// Those that cannot be judged, because the candidate wants to know what is not in the recording.
    pub undecided: u64,
    /// Those in which a plugin of the candidate failed.
    pub failed: u64,
    /// Those in which secrets stand redacted.
    pub redacted: u64,
    /// Where.
    pub redacted_in: BTreeSet<String>,
    groups: Groups<Kind, Example>,
}

/// What makes a group: which hook, and what was and would be done by which rule. The details of a
/// group's `live` and `candidate` are those of its first transaction: each example has its own.
type Kind = (Hook, [(String, Option<Rule>); 2]);

/// A transaction that would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What logs call it by.
    pub id: u64,
    /// When it was received.
    pub received: jiff::Timestamp,
    /// Its method.
    pub method: String,
    /// Its URI, made printable.
    pub uri: String,
    /// Who asked.
    pub client: IpAddr,
    /// What was said of it alone.
    pub live: String,
    /// What would be.
    pub candidate: String,
}

/// Asks the candidate what the live policy was asked, one transaction after the other: what counts
/// requests counts them in their order. With up to so many examples of each change.
///
/// # Errors
/// The recording cannot be read.
pub fn replay<R: BufRead>(
    mut recording: Reader<R>,
    candidate: &Generation,
    sizes: Sizes,
    examples: usize,
) -> Result<Report, Unreadable> {
    let mut report = Report {
        header: recording.header().clone(),
        end: End::Missing,
        transactions: 0,
        changed: 0,
        undecided: 0,
        failed: 0,
        redacted: 0,
        redacted_in: BTreeSet::new(),
        groups: Groups::new(Room {
            groups: usize::MAX,
            examples,
        }),
    };
    while let Some(transaction) = recording.transaction()? {
        let example = Example::of(&transaction);
        report.begin(&transaction);
        let (request, notes) = transaction
            .into_notes()
            .map_err(|error| recording.damaged(&error))?;
        match differences(candidate, &Arc::new(request), &notes, sizes) {
            Ok(differences) => report.count(&differences, &example),
            Err(_) => report.undecided += 1,
        }
    }
    report.end = recording.end().cloned().unwrap_or(End::Missing);
    Ok(report)
}

// === impl Report ===

impl Report {
    /// What changes in the same way, by the same rules: by hook, the largest first.
    pub fn groups(&self) -> Vec<&Group<Example>> {
        let mut groups = self.groups.largest_first();
        groups.sort_by_key(|group| group.hook as usize);
        groups
    }

    fn begin(&mut self, transaction: &Transaction) {
        self.transactions += 1;
        self.redacted += u64::from(!transaction.redacted.is_empty());
        for place in &transaction.redacted {
            if !self.redacted_in.contains(place) {
                self.redacted_in.insert(place.clone());
            }
        }
    }

    fn count(&mut self, differences: &[Difference], example: &Example) {
        self.changed += u64::from(!differences.is_empty());
        self.failed += u64::from(differences.iter().any(|one| one.candidate.failed));
        for difference in differences {
            let Difference {
                hook,
                live,
                candidate,
            } = difference;
            let kind = |said: &Said| (said.gist.clone(), said.rule.clone());
            let kind = (*hook, [live, candidate].map(kind));
            let example_of_it = || Example {
                live: live.detail.clone(),
                candidate: candidate.detail.clone(),
                ..example.clone()
            };
            let received = example.received.into();
            self.groups.add(kind, difference, example_of_it, received);
        }
    }
}

// === impl Example ===

impl Example {
    fn of(transaction: &Transaction) -> Example {
        let request = &transaction.request;
        Example {
            id: request.id,
            received: request.received,
            method: request.method.clone(),
            uri: request.uri.text().into_owned(),
            client: request.client.ip(),
            live: String::new(),
            candidate: String::new(),
        }
    }
}
