//! Lines from the workers to the file, without ever making a worker wait for the file.

use super::format::Style;
use super::{Record, format};
use crate::config::{LogTarget, Settings};
use prometheus_client::metrics::counter::Counter;
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
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
    style: Style,
    /// Says nothing, and ends with the writer.
    writer: Mutex<Receiver<Infallible>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    dropped: Counter,
    broken: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    lines: Vec<u8>,
    reopen: bool,
    close: bool,
}

/// Where lines are written.
#[derive(Debug)]
struct Sink<W> {
    to: W,
    /// The last line there has no end.
    torn: bool,
}

/// Lines that could not be written, the one that was torn included.
#[derive(Debug)]
struct Lost {
    lines: u64,
    why: io::Error,
}

// === impl AccessLog ===

impl AccessLog {
    /// Opens the log that the settings name, and starts its writer, which counts lines that are
    /// dropped because the disk does not keep up.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(settings: &Settings, dropped: Counter) -> io::Result<AccessLog> {
        let target = match &settings.access_log {
            LogTarget::None => None,
            // As a file: what has been written is not known of a buffered one.
            LogTarget::Stdout => {
                let stdout = io::stdout().as_fd().try_clone_to_owned()?;
                Some((File::from(stdout), None))
            }
            LogTarget::File(path) => Some((open(path)?, Some(path.clone()))),
        };
        let shared = target.is_some().then(|| {
            Arc::new(Shared {
                dropped,
                ..Shared::default()
            })
        });
        let (alive, writer) = mpsc::channel();
        if let (Some(shared), Some((file, path))) = (shared.clone(), target) {
            let run = move || {
                shared.run(Sink::new(file), path.as_deref());
                drop(alive);
            };
            let thread = std::thread::Builder::new().name("access-log".into());
            thread.spawn(run)?;
        }
        Ok(AccessLog {
            shared,
            style: Style {
                format: settings.logformat,
                strip_query: settings.strip_query_terms,
                request_id: settings.log_request_id,
            },
            writer: Mutex::new(writer),
        })
    }

    /// Hands a line to the writer.
    pub fn write(&self, record: &Record<'_>) {
        let Some(shared) = &self.shared else {
            return;
        };
        let mut line = Vec::with_capacity(256);
        format::line(&mut line, self.style, record);
        let mut queue = shared.queue();
        if queue.lines.len() + line.len() > WAITING {
            shared.dropped.inc();
            return;
        }
        let first = queue.lines.is_empty();
        queue.lines.extend_from_slice(&line);
        drop(queue);
        if first {
            shared.changed.notify_one();
        }
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

    fn run(&self, mut sink: Sink<File>, path: Option<&Path>) {
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
                        sink.replace(file);
                        tracing::info!("the access log has been reopened");
                    }
                    Err(error) => {
                        let path = path.display();
                        tracing::error!(
                            "the access log {path} cannot be reopened: {error}; writing on to the old file"
                        );
                    }
                }
            }
            if close {
                return;
            }
        }
    }

    fn write_out(&self, sink: &mut Sink<File>, lines: &[u8]) {
        match sink.write(lines) {
            Ok(()) => {
                if self.broken.swap(false, Ordering::Relaxed) {
                    tracing::info!("the access log is written again");
                }
            }
            Err(Lost { lines, why }) => {
                self.dropped.inc_by(lines);
                if !self.broken.swap(true, Ordering::Relaxed) {
                    tracing::error!("the access log cannot be written: {why}; lines are lost");
                }
            }
        }
    }
}

// === impl Sink ===

impl<W: Write> Sink<W> {
    fn new(to: W) -> Sink<W> {
        Sink { to, torn: false }
    }

    /// Writes lines, each on one of its own: what a write that failed has left of one is ended
    /// first.
    fn write(&mut self, mut lines: &[u8]) -> Result<(), Lost> {
        let mut end: &[u8] = if self.torn { b"\n" } else { b"" };
        let written = self.advance(&mut end);
        let written = written.and_then(|()| self.advance(&mut lines));
        written.map_err(|why| Lost {
            lines: lines.iter().filter(|&&octet| octet == b'\n').count() as u64,
            why,
        })
    }

    /// Writes all of it; where that fails, what has not been written is left.
    fn advance(&mut self, octets: &mut &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            match self.to.write(octets) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    let (written, rest) = octets.split_at(count);
                    self.torn = !written.ends_with(b"\n");
                    *octets = rest;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Sink<File> {
    /// Writes there from now on; it may be the same file again.
    fn replace(&mut self, file: File) {
        self.torn &= file.metadata().is_ok_and(|file| file.len() > 0);
        self.to = file;
    }
}

/// A new one is not for everybody to read: as squid's, who asks for what is in it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many octets.
    #[derive(Default)]
    struct Disk {
        room: usize,
        text: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let count = octets.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.text.extend_from_slice(&octets[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn after_a_full_disk_lines_are_whole_again_and_the_lost_are_counted() {
        let mut sink = Sink::new(Disk::default());
        // Room, what is written then, and how many lines are lost.
        let steps: [(usize, &[u8], u64); 6] = [
            (100, b"one\n", 0),
            (6, b"two\nthree\nfour\n", 2),
            (0, b"five\n", 1),
            (1, b"six\nseven\n", 2),
            (6, b"eight\nnine\n", 1),
            (100, b"ten\n", 0),
        ];
        for (room, lines, lost) in steps {
            sink.to.room = room;
            let written = sink.write(lines);
            assert_eq!(written.map_or_else(|lost| lost.lines, |()| 0), lost);
        }
        let text = String::from_utf8(sink.to.text).unwrap();
        assert_eq!(text, "one\ntwo\nth\neight\nten\n");
    }

    #[test]
    fn a_new_log_is_not_for_everybody_to_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mode = open(&path)
            .unwrap()
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o137, 0, "{mode:o}");
    }

    #[test]
    fn a_torn_line_is_ended_in_its_own_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut sink = Sink::new(open(&path).unwrap());
        sink.write(b"torn").unwrap();
        sink.replace(open(&path).unwrap());
        sink.write(b"whole\ntorn").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"torn\nwhole\ntorn");
        std::fs::remove_file(&path).unwrap();
        sink.replace(open(&path).unwrap());
        sink.write(b"new\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new\n");
    }
}
