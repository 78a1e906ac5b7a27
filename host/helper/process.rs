//! A program that runs: lines to it, lines from it, and its end.
//!
//! Its pipes are tokio's; the program itself is not, so that only what is waited for costs a thread.

use super::escaped;
use crate::log::{Ruling, Window};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
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

/// Its end is seen to, however this ends: killed when this is dropped before.
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
        let log = tokio::spawn(log(stderr, helper.clone()));
        let events = events.clone();
        tasks.spawn(async move {
            let why = tokio::select! {
                () = write(stdin, questions) => None,
                why = read(number, stdout, &events) => Some(why),
                _ = ended => None,
            };
            let status = running.end(why.is_some()).await;
            if let Some(why) = why {
                let why = why.unwrap_or_else(|| match status {
                    Some(status) => format!("it ended: {status}"),
                    None => "it closed its output".to_owned(),
                });
                // Nobody listens where nobody asks any more.
                let _ = events.send(Event::Ended(number, why));
            }
            // What it has written is there by now, unless others hold its stderr.
            let stop = log.abort_handle();
            if timeout(LAST, log).await.is_err() {
                stop.abort();
            }
        });
        Ok(Process { lines, _end: end })
    }

    /// A line to it. It may have ended: then its end is told.
    pub(super) fn send(&self, line: String) {
        let _ = self.lines.send(line);
    }
}

/// Until nobody has anything to ask any more. One that reads nothing is silent, too.
async fn write(mut stdin: pipe::Sender, mut lines: mpsc::UnboundedReceiver<String>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(line.as_bytes()).await.is_err() {
            std::future::pending::<()>().await;
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
        let group = Pid::from_child(self.0.as_ref()?);
        if !by_itself {
            let _ = kill_process_group(group, Signal::KILL);
        }
        // It stays a zombie, so that the number is its own for as long as it may have to be killed.
        let exited = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let mut exit = tokio::task::spawn_blocking(move || waitid(WaitId::Pid(group), exited));
        let in_time = by_itself && timeout(LAST, &mut exit).await.is_ok();
        if !in_time {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = exit.await;
        }
        // At once: it has ended.
        let status = self.0.take()?.wait();
        status.ok().filter(|_| in_time)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            // That takes a moment, and there may be no runtime any more to wait in. Without a thread,
            // the proxy's end will see to it.
            let reaper = std::thread::Builder::new().name("reaper".into());
            let _ = reaper.spawn(move || child.wait());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Whoever saw to it may end with a runtime.
    #[tokio::test]
    async fn one_that_is_about_to_end_is_killed_when_nobody_waits_for_that_any_more() {
        let child = Command::new("sleep").arg("60").process_group(0).spawn();
        let child = child.unwrap();
        let process = format!("/proc/{}", child.id());
        let end = Running(Some(child)).end(true);
        assert!(timeout(Duration::ZERO, end).await.is_err());
        let start = Instant::now();
        while Path::new(&process).exists() {
            assert!(start.elapsed() < 10 * LAST, "it runs, or is a zombie");
            std::thread::yield_now();
        }
    }
}
