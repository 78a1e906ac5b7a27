//! A program that runs: lines to it, lines from it, and its end.
//!
//! Its pipes are tokio's; the program itself is not, so that only what is waited for costs a thread.

use super::escaped;
use crate::plugin::rate::{Ruling, Window};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A program that runs, until this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    lines: mpsc::UnboundedSender<String>,
    _end: oneshot::Sender<()>,
}

/// What a program does, by its number.
#[derive(Debug)]
pub(super) enum Event {
    /// It has written a line; the end of that is taken off.
    Line(u64, Vec<u8>),
    /// It has ended, or its output has. Why is for people.
    Ended(u64, String),
}

/// Its end is seen to, however this ends.
struct Running(Option<Child>);

/// Octets of a line: beyond that it is no answer.
const MAX_LINE: usize = 64 << 10;
/// How long one may take to end that has closed its output.
const LAST: Duration = Duration::from_secs(1);
/// Lines a second of what it writes to stderr.
const LOG_RATE: u32 = 100;

// === impl Process ===

impl Process {
    /// Starts it. What sees to it is among `tasks`, until it is gone.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn start(
        number: u64,
        helper: &Arc<str>,
        command: &[String],
        events: &mpsc::UnboundedSender<Event>,
        tasks: &mut JoinSet<()>,
    ) -> io::Result<Process> {
        let [program, arguments @ ..] = command else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // What it starts itself ends with it, and a terminal's Ctrl-C is not for it.
            .process_group(0)
            .spawn()?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let running = Running(Some(child));
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let stdin = pipe::Sender::from_owned_fd(OwnedFd::from(stdin))?;
        let stdout = pipe::Receiver::from_owned_fd(OwnedFd::from(stdout))?;
        let stderr = pipe::Receiver::from_owned_fd(OwnedFd::from(stderr))?;
        let (lines, questions) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        tasks.spawn(write(stdin, questions));
        let log = tokio::spawn(log(stderr, helper.clone()));
        let events = events.clone();
        tasks.spawn(async move {
            let why = tokio::select! {
                why = read(number, stdout, &events) => Some(why),
                _ = ended => None,
            };
            let status = running.end(why.is_some()).await;
            // What it has written is there by now, unless others hold its stderr.
            let stop = log.abort_handle();
            if timeout(LAST, log).await.is_err() {
                stop.abort();
            }
            if let Some(why) = why {
                let why = why.unwrap_or_else(|| match status {
                    Some(status) => format!("it ended: {status}"),
                    None => "it closed its output".to_owned(),
                });
                // Nobody listens where nobody asks any more.
                let _ = events.send(Event::Ended(number, why));
            }
        });
        Ok(Process { lines, _end: end })
    }

    /// A line to it. It may have ended: then its end is told.
    pub(super) fn send(&self, line: String) {
        let _ = self.lines.send(line);
    }
}

async fn write(mut stdin: pipe::Sender, mut lines: mpsc::UnboundedReceiver<String>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Tells of each line, until there are no more; then, why, where it is not that it has ended.
async fn read(
    number: u64,
    stdout: pipe::Receiver,
    events: &mpsc::UnboundedSender<Event>,
) -> Option<String> {
    let mut stdout = BufReader::new(stdout);
    loop {
        match line(&mut stdout).await {
            Ok(Some(line)) if line.len() > MAX_LINE => {
                return Some(format!("its line is longer than {} KB", MAX_LINE >> 10));
            }
            Ok(Some(line)) => {
                let _ = events.send(Event::Line(number, line));
            }
            Ok(None) => return None,
            Err(error) => return Some(format!("it cannot be read from: {error}")),
        }
    }
}

/// The next line without its end; a piece that is too long, where it is; none at the end. What comes
/// after the last end of line is no line.
async fn line(from: &mut BufReader<impl AsyncRead + Unpin>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let most = MAX_LINE as u64 + 1;
    from.take(most).read_until(b'\n', &mut line).await?;
    match line.last() {
        Some(b'\n') => {
            line.pop();
            Ok(Some(line))
        }
        _ if line.len() > MAX_LINE => Ok(Some(line)),
        _ => Ok(None),
    }
}

/// Its stderr, in the proxy's log.
async fn log(stderr: pipe::Receiver, helper: Arc<str>) {
    let mut stderr = BufReader::new(stderr);
    let mut window = Window::default();
    while let Ok(Some(line)) = line(&mut stderr).await {
        if let Ruling::Write { left_out } = window.line(Instant::now(), LOG_RATE) {
            if left_out > 0 {
                tracing::warn!(helper = &*helper, "{left_out} lines were left out");
            }
            let line = String::from_utf8_lossy(&line);
            tracing::info!(helper = &*helper, "{}", escaped(&line));
        }
    }
}

// === impl Running ===

impl Running {
    /// How it ended; none where it had to be made to. `by_itself`: its output has ended, and the
    /// rest of it is about to.
    async fn end(mut self, by_itself: bool) -> Option<ExitStatus> {
        let mut child = self.0.take()?;
        let group = Pid::from_child(&child);
        if !by_itself {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let mut wait = tokio::task::spawn_blocking(move || child.wait());
        if by_itself && let Ok(ended) = timeout(LAST, &mut wait).await {
            return ended.ok()?.ok();
        }
        // Nobody has waited for it, so that the number is still its own.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = wait.await;
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            // Mostly it is gone by now; if not, the proxy's end will see to it.
            let _ = child.try_wait();
        }
    }
}
