//! `record`.

use super::answer::{Answer, Refusal, to_line};
use super::moment;
use crate::app::App;
use crate::recording::{FORMAT, Finished, Header, Line, Recording, Transaction};
use crate::redact::Redactor;
use crate::share::Share;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant, SystemTime};

/// What is to be recorded: all of these bound it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Transactions.
    pub requests: u64,
    /// Of the file.
    pub octets: u64,
    /// From now on.
    pub milliseconds: u64,
    /// Of the requests, in millionths.
    pub share: Share,
    /// Whether secrets stay in it.
    pub secrets: bool,
}

/// A line of the answer, but for the transactions, which are only handed on. All but the progress
/// are lines of the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recorded {
    /// The first one.
    Recording(Header),
    /// One more.
    Transaction(IgnoredAny),
    /// Some times a second.
    Progress(Progress),
    /// Nothing more comes.
    Finished(Finished),
}

/// How it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Transactions that came faster than they were taken.
    pub missed: u64,
}

/// A line that is for who waits, and not for the file.
#[derive(Serialize)]
struct Told {
    progress: Progress,
}

/// How often it is said how it goes. Only thus is it noticed that nobody listens any more.
const BEAT: Duration = Duration::from_millis(250);

/// Sends what is recorded, until a bound is reached or nobody listens any more.
pub(super) fn record(app: &App, what: &Record, answer: &mut Answer) -> Result<(), Refusal> {
    let redactor = match what.secrets {
        true => None,
        false => Some(redactor()?),
    };
    let recording = begin(app, what.share)?;
    let began = Line::Recording(Header {
        format: FORMAT,
        wproxy: env!("CARGO_PKG_VERSION").into(),
        generation: app.generation().id(),
        began: moment(SystemTime::now()),
        redacted: redactor.is_some(),
    });
    let secrets = if what.secrets { "with" } else { "without" };
    tracing::info!("a recording begins, {secrets} secrets");
    let begun = Instant::now();
    let limit = Duration::from_millis(what.milliseconds);
    let (mut transactions, mut octets) = (0, 0);
    let mut heard = answer.line(&began).is_continue();
    let mut told = None;
    let why = loop {
        let now = Instant::now();
        if told.is_none_or(|told| now.duration_since(told) >= BEAT) {
            told = Some(now);
            let missed = recording.missed();
            let progress = Progress { missed };
            heard &= answer.line(&Told { progress }).is_continue() && answer.flush().is_continue();
        }
        let left = limit.saturating_sub(begun.elapsed());
        if !heard {
            break "nobody takes it any more".to_owned();
        } else if transactions >= what.requests {
            break "as many as were asked for".to_owned();
        } else if left.is_zero() {
            break format!("{limit:?} are over");
        } else if app.is_draining() {
            break "the proxy stops".to_owned();
        }
        let Some(noted) = recording.next(BEAT.min(left)) else {
            continue;
        };
        let mut transaction = Transaction::new(&noted);
        if let Some(redactor) = &redactor {
            redactor.redact(&mut transaction);
        }
        let line = to_line(&Line::Transaction(Box::new(transaction)));
        octets += line.len() as u64;
        if octets > what.octets {
            break format!(
                "the next one would make it larger than {} octets",
                what.octets
            );
        }
        transactions += 1;
        heard = answer.octets(&line).is_continue();
    };
    let missed = recording.missed();
    tracing::info!("the recording ends with {transactions} transactions, {missed} missed: {why}");
    let _ = answer.line(&Line::Finished(Finished {
        transactions,
        missed,
        why,
    }));
    Ok(())
}

/// Waits a little: that nobody takes another one any more is noticed with its next beat.
fn begin(app: &App, share: Share) -> Result<Recording<'_>, Refusal> {
    for _ in 0..3 {
        if let Some(recording) = app.recorder.begin(&app.readers, share) {
            return Ok(recording);
        }
        std::thread::sleep(BEAT);
    }
    Err(Refusal::new(
        "another recording goes on, and there is one at a time",
        "wait for its end, or end it with ^C where it was begun",
    ))
}

fn redactor() -> Result<Redactor, Refusal> {
    let mut key = [0; 32];
    // With a key that can be guessed, so can passwords.
    getrandom::fill(&mut key).map_err(|error| {
        Refusal::new(
            format!("the system has no random numbers to redact secrets with: {error}"),
            "try again in a moment",
        )
    })?;
    Ok(Redactor::new(key))
}
