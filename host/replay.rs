//! Another policy, tried on a recording: what would change, by which rules.
//!
//! Requests are asked about one after the other, in the order in which they ended, with the time, the
//! addresses and the fields that were recorded: the same recording and the same policy give the same
//! report. What a plugin has beyond that it has of now: its store is empty at first, and the clock that
//! it may have been granted goes on.

use crate::comparison::{Difference, Said, Sizes, differences};
use crate::generation::Generation;
use crate::plugin::{Hook, Rule};
use crate::recording::{End, Header, Reader, Transaction, Unreadable};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
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
    /// The largest first.
    pub groups: Vec<Group>,
}

/// What changes in the same way, by the same rules.
#[derive(Debug)]
pub struct Group {
    /// Where.
    pub hook: Hook,
    /// What was said: that of the first one, of whose details the others have their own.
    pub live: Said,
    /// What would be.
    pub candidate: Said,
    /// How many transactions.
    pub count: u64,
    /// The first ones.
    pub examples: Vec<Example>,
}

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

/// What is being counted.
#[derive(Debug, Default)]
struct Tally {
    transactions: u64,
    changed: u64,
    undecided: u64,
    failed: u64,
    redacted: u64,
    redacted_in: BTreeSet<String>,
    groups: Vec<Group>,
    /// Where in `groups` each stands.
    places: HashMap<Kind, usize>,
}

/// What makes a group: which hook, and what was and would be done by which rule.
type Kind = (Hook, [(String, Option<Rule>); 2]);

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
    let mut tally = Tally::default();
    while let Some(transaction) = recording.transaction()? {
        let example = Example::of(&transaction);
        tally.begin(&transaction);
        let (request, notes) = transaction
            .into_notes()
            .map_err(|error| recording.damaged(&error))?;
        match differences(candidate, &Arc::new(request), &notes, sizes) {
            Ok(differences) => tally.count(differences, &example, examples),
            Err(_) => tally.undecided += 1,
        }
    }
    let end = recording.end().cloned().unwrap_or(End::Missing);
    Ok(tally.report(recording.header().clone(), end))
}

// === impl Tally ===

impl Tally {
    fn begin(&mut self, transaction: &Transaction) {
        self.transactions += 1;
        self.redacted += u64::from(!transaction.redacted.is_empty());
        for place in &transaction.redacted {
            if !self.redacted_in.contains(place) {
                self.redacted_in.insert(place.clone());
            }
        }
    }

    fn count(&mut self, differences: Vec<Difference>, example: &Example, examples: usize) {
        self.changed += u64::from(!differences.is_empty());
        let failed = |difference: &Difference| difference.candidate.failed;
        self.failed += u64::from(differences.iter().any(failed));
        for Difference {
            hook,
            live,
            candidate,
        } in differences
        {
            let kind = |said: &Said| (said.gist.clone(), said.rule.clone());
            let kind = (hook, [&live, &candidate].map(kind));
            let example = Example {
                live: live.detail.clone(),
                candidate: candidate.detail.clone(),
                ..example.clone()
            };
            let place = *self.places.entry(kind).or_insert_with(|| {
                self.groups.push(Group {
                    hook,
                    live,
                    candidate,
                    count: 0,
                    examples: Vec::new(),
                });
                self.groups.len() - 1
            });
            let group = &mut self.groups[place];
            group.count += 1;
            if group.examples.len() < examples {
                group.examples.push(example);
            }
        }
    }

    fn report(self, header: Header, end: End) -> Report {
        let Tally {
            transactions,
            changed,
            undecided,
            failed,
            redacted,
            redacted_in,
            mut groups,
            places: _,
        } = self;
        // By hook, the largest first; of equal ones the earlier.
        groups.sort_by_key(|group| (group.hook as usize, Reverse(group.count)));
        Report {
            header,
            end,
            transactions,
            changed,
            undecided,
            failed,
            redacted,
            redacted_in,
            groups,
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
