//! `wproxy record`

mod draft;

use super::running::{self, Proxy};
use super::text::{count, size, span};
use crate::config::{Size, Span};
use crate::control::{Record, Recorded, Request};
use crate::recording::Finished;
use crate::share::Share;
use anyhow::Context as _;
use clap::Args;
use draft::Draft;
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is recorded, and where.
#[derive(Debug, Args)]
pub(super) struct Recording {
    /// File to write; it is called FILE.part until the recording ends
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// End after this many requests
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    requests: u64,
    /// End before the file gets larger than this
    #[arg(long, value_name = "SIZE", default_value = "64 MB")]
    size: Size,
    /// End after this time
    #[arg(long = "for", value_name = "TIME", default_value = "10 minutes")]
    time: Span,
    /// Record this share of the requests, picked at random: 0.1 is one in ten
    #[arg(long, value_name = "PART", default_value = "1")]
    share: Share,
    /// Keep passwords, tokens and cookies; by default they are replaced by hashes
    #[arg(long)]
    with_secrets: bool,
}

/// What has come of it, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Outcome {
    file: PathBuf,
    octets: u64,
    #[serde(flatten)]
    finished: Finished,
}

/// What is said when ^C ends it.
const INTERRUPTED: &str = "interrupted";
/// The exit code of who is told to end, and told again.
const AT_ONCE: i32 = 130;

pub(super) fn record(recording: Recording, proxy: &Proxy) -> anyhow::Result<ExitCode> {
    let Recording {
        file,
        requests,
        size,
        time,
        share,
        with_secrets,
    } = recording;
    let interrupted = interrupted().context("signals cannot be caught")?;
    let mut draft = Draft::create(&file)?;
    let what = Request::Record(Record {
        requests,
        octets: size.0,
        milliseconds: u64::try_from(time.0.as_millis()).unwrap_or(u64::MAX),
        share,
        secrets: with_secrets,
    });
    let mut finished = None;
    let mut missed = 0;
    let mut progress = Progress::new();
    let asked = proxy.ask(&what, |recorded: Recorded, line| {
        match recorded {
            Recorded::Recording(_) => {
                draft.line(line)?;
                progress.begin(&draft)?;
            }
            Recorded::Transaction(_) => draft.transaction(line)?,
            Recorded::Progress(told) => {
                missed = told.missed;
                draft.flush()?;
                progress.show(&draft)?;
            }
            Recorded::Finished(end) => finished = Some(end),
        }
        match interrupted.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    });
    progress.clear()?;
    if let Err(error) = asked
        && !interrupted.load(Ordering::Relaxed)
    {
        return Err(draft.give_up(error));
    }
    let finished = finished.unwrap_or_else(|| Finished {
        transactions: draft.transactions(),
        missed,
        why: INTERRUPTED.into(),
    });
    let octets = draft.keep(&finished)?;
    tell(
        &Outcome {
            file,
            octets,
            finished,
        },
        proxy.json,
    )
}

fn tell(outcome: &Outcome, json: bool) -> anyhow::Result<ExitCode> {
    running::print(|out| {
        let Outcome {
            file,
            octets,
            finished,
        } = outcome;
        if json {
            serde_json::to_writer(&mut *out, outcome)?;
            writeln!(out)?;
            return Ok(ExitCode::SUCCESS);
        }
        let Finished {
            transactions,
            missed,
            why,
        } = finished;
        let transactions = count(*transactions, "transaction");
        let (file, octets) = (file.display(), size(*octets));
        writeln!(out, "{file}: {transactions}, {octets}: {why}")?;
        if *missed > 0 {
            writeln!(
                out,
                "{missed} more are not: they came faster than they could be taken. A smaller --share \
                 has an even part of all"
            )?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Whether it has been told to end. Told twice, it does at once.
fn interrupted() -> io::Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        let _runtime = runtime.enter();
        [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]
    };
    let told = Arc::new(AtomicBool::new(false));
    let tell = told.clone();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            runtime.block_on(any(&mut signals));
            tell.store(true, Ordering::Relaxed);
            runtime.block_on(any(&mut signals));
            std::process::exit(AT_ONCE);
        })?;
    Ok(told)
}

async fn any([first, second, third]: &mut [Signal; 3]) {
    tokio::select! {
        _ = first.recv() => {}
        _ = second.recv() => {}
        _ = third.recv() => {}
    }
}

/// A line for who watches.
struct Progress {
    begun: Instant,
    shown: bool,
}

// === impl Progress ===

impl Progress {
    fn new() -> Progress {
        Progress {
            begun: Instant::now(),
            shown: false,
        }
    }

    fn begin(&self, draft: &Draft) -> io::Result<()> {
        let part = draft.part().display();
        writeln!(io::stderr(), "recording to {part}; ^C ends it")
    }

    fn show(&mut self, draft: &Draft) -> io::Result<()> {
        let mut stderr = io::stderr().lock();
        if !stderr.is_terminal() {
            return Ok(());
        }
        self.shown = true;
        let transactions = count(draft.transactions(), "transaction");
        let octets = size(draft.octets());
        let time = span(self.begun.elapsed().as_secs());
        write!(stderr, "\r{transactions}, {octets}, {time}\x1b[K")?;
        stderr.flush()
    }

    fn clear(&self) -> io::Result<()> {
        match self.shown {
            true => write!(io::stderr(), "\r\x1b[K"),
            false => Ok(()),
        }
    }
}
