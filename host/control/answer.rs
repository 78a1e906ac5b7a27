//! What a command says, on its way to who asked.

use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use tokio::sync::mpsc::Sender;

/// The lines of an answer but for the last. They go out a [`CHUNK`] at a time, as fast as they are
/// taken: nothing is collected.
#[derive(Debug)]
pub(super) struct Answer {
    chunks: Sender<Vec<u8>>,
    chunk: Vec<u8>,
}

/// The last line where all went well.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    end: bool,
}

/// The last line where something did not go well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{error}\nhelp: {help}")]
pub struct Refusal {
    error: String,
    help: String,
}

/// Octets that are worth a system call.
const CHUNK: usize = 16 * 1024;

// === impl Answer ===

impl Answer {
    pub(super) fn new(chunks: Sender<Vec<u8>>) -> Answer {
        Answer {
            chunks,
            chunk: Vec::new(),
        }
    }

    /// One more line. Breaks where nobody listens any more.
    pub(super) fn line(&mut self, line: &impl Serialize) -> ControlFlow<()> {
        self.octets(&to_line(line))
    }

    /// The same, where it has been made a line already.
    pub(super) fn octets(&mut self, line: &[u8]) -> ControlFlow<()> {
        self.chunk.extend_from_slice(line);
        match self.chunk.len() < CHUNK {
            true => ControlFlow::Continue(()),
            false => self.flush(),
        }
    }

    /// Sends what has been said. Waits where it is not taken.
    pub(super) fn flush(&mut self) -> ControlFlow<()> {
        let chunk = std::mem::take(&mut self.chunk);
        match chunk.is_empty() || self.chunks.blocking_send(chunk).is_ok() {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }
}

// === impl End ===

impl End {
    pub(super) const LINE: End = End { end: true };
}

// === impl Refusal ===

impl Refusal {
    /// What is wrong, and how to mend it.
    pub fn new(error: impl Into<String>, help: impl Into<String>) -> Refusal {
        Refusal {
            error: error.into(),
            help: help.into(),
        }
    }
}

/// As it goes over the socket.
pub(super) fn to_line(line: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(line).expect("structs of texts and numbers are JSON");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::channel;

    #[test]
    fn lines_go_out_in_chunks_and_stop_where_nobody_listens() {
        let (chunks, mut taken) = channel(1000);
        let mut answer = Answer::new(chunks);
        let text = "x".repeat(CHUNK / 4);
        for _ in 0..5 {
            assert_eq!(answer.line(&text), ControlFlow::Continue(()));
        }
        let first = taken.try_recv().expect("more than a chunk has been said");
        assert!(first.ends_with(b"\n") && first.len() < 2 * CHUNK);
        assert!(taken.try_recv().is_err());
        assert_eq!(answer.flush(), ControlFlow::Continue(()));
        assert!(taken.try_recv().is_ok());
        drop(taken);
        assert_eq!(answer.flush(), ControlFlow::Continue(()), "nothing to say");
        let said = (0..5).find(|_| answer.line(&text).is_break());
        assert_eq!(said, Some(3));
    }
}
