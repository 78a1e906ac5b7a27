//! Lines from the workers to the file, without ever making a worker wait for the file.

use super::{Record, format};
use crate::config::{LogFormat, LogTarget, Settings};
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Octets of lines that wait for a slow disk; beyond that, lines are dropped and counted.
const WAITING: usize = 16 << 20;
/// How long the writer waits for more lines before it writes the first.
const GATHER: Duration = Duration::from_millis(5);

/// The access log.
#[derive(Debug)]
pub struct AccessLog {
    shared: Option<Arc<Shared>>,
    format: LogFormat,
    strip_query: bool,
    /// Says nothing, and ends with the writer.
    writer: Mutex<Receiver<Infallible>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    dropped: AtomicU64,
    broken: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    lines: Vec<u8>,
    reopen: bool,
    close: bool,
}

// === impl AccessLog ===

impl AccessLog {
    /// Opens the log that the settings name, and starts its writer.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(settings: &Settings) -> io::Result<AccessLog> {
        let (sink, path): (Box<dyn Write + Send>, _) = match &settings.access_log {
            LogTarget::None => (Box::new(io::sink()), None),
            LogTarget::Stdout => (Box::new(io::stdout()), None),
            LogTarget::File(path) => (Box::new(open(path)?), Some(path.clone())),
        };
        let silent = settings.access_log == LogTarget::None;
        let shared = (!silent).then(Arc::<Shared>::default);
        let (alive, writer) = mpsc::channel();
        if let Some(shared) = shared.clone() {
            let run = move || {
                shared.run(sink, path.as_deref());
                drop(alive);
            };
            let thread = std::thread::Builder::new().name("access-log".into());
            thread.spawn(run)?;
        }
        Ok(AccessLog {
            shared,
            format: settings.logformat,
            strip_query: settings.strip_query_terms,
            writer: Mutex::new(writer),
        })
    }

    /// Hands a line to the writer.
    pub fn write(&self, record: &Record<'_>) {
        let Some(shared) = &self.shared else {
            return;
        };
        let mut line = Vec::with_capacity(256);
        format::line(&mut line, self.format, self.strip_query, record);
        let mut queue = shared.queue();
        if queue.lines.len() + line.len() > WAITING {
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = queue.lines.is_empty();
        queue.lines.extend_from_slice(&line);
        drop(queue);
        if first {
            shared.changed.notify_one();
        }
    }

    /// Lines that were dropped because the disk did not keep up.
    pub fn dropped(&self) -> u64 {
        let shared = self.shared.as_ref();
        shared.map_or(0, |shared| shared.dropped.load(Ordering::Relaxed))
    }

    /// Opens the file anew: it has been moved away (SIGUSR1).
    pub fn reopen(&self) {
        if let Some(shared) = &self.shared {
            shared.queue().reopen = true;
            shared.changed.notify_one();
        }
    }

    /// Writes what waits, and ends the writer. One that is stuck for that long is left: a pipe
    /// that nobody reads may take nothing for ever.
    pub fn close(&self, limit: Duration) {
        let Some(shared) = &self.shared else {
            return;
        };
        shared.queue().close = true;
        shared.changed.notify_one();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            tracing::error!(
                "the access log did not take its last lines within {limit:?}: they are lost"
            );
        }
    }
}

// === impl Shared ===

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut sink: Box<dyn Write + Send>, path: Option<&Path>) {
        let mut lines = Vec::new();
        loop {
            let mut queue = self.queue();
            while queue.lines.is_empty() && !queue.reopen && !queue.close {
                queue = self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if !queue.reopen && !queue.close {
                drop(queue);
                // Many lines, one write.
                std::thread::sleep(GATHER);
                queue = self.queue();
            }
            std::mem::swap(&mut lines, &mut queue.lines);
            let (reopen, close) = (std::mem::take(&mut queue.reopen), queue.close);
            drop(queue);
            self.write_out(&mut sink, &lines);
            lines.clear();
            lines.shrink_to(1 << 20);
            if let Some(path) = path.filter(|_| reopen) {
                match open(path) {
                    Ok(file) => {
                        sink = Box::new(file);
                        tracing::info!("the access log has been opened anew");
                    }
                    Err(error) => {
                        let path = path.display();
                        tracing::error!(
                            "the access log {path} cannot be opened anew: {error}; writing on to the old file"
                        );
                    }
                }
            }
            if close {
                return;
            }
        }
    }

    fn write_out(&self, sink: &mut Box<dyn Write + Send>, lines: &[u8]) {
        match sink.write_all(lines).and_then(|()| sink.flush()) {
            Ok(()) => {
                if self.broken.swap(false, Ordering::Relaxed) {
                    tracing::info!("the access log is written again");
                }
            }
            Err(error) => {
                let lost = lines.iter().filter(|&&octet| octet == b'\n').count() as u64;
                self.dropped.fetch_add(lost, Ordering::Relaxed);
                if !self.broken.swap(true, Ordering::Relaxed) {
                    tracing::error!("the access log cannot be written: {error}; lines are lost");
                }
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}
