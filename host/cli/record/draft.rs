//! A recording that is being written: under another name until it is whole.

use crate::cli::text::count;
use crate::recording::{Finished, Line};
use anyhow::Context as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// `FILE.part`, which only its owner may read.
#[derive(Debug)]
pub(super) struct Draft {
    out: BufWriter<File>,
    part: PathBuf,
    path: PathBuf,
    octets: u64,
    transactions: u64,
}

// === impl Draft ===

impl Draft {
    /// Makes it.
    ///
    /// # Errors
    /// It is there already, or what the system says.
    pub(super) fn create(path: &Path) -> anyhow::Result<Draft> {
        if path.is_dir() {
            anyhow::bail!("{} is a folder: name a file", path.display());
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let name = part.display();
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => anyhow::anyhow!(
                    "{name} is there: what another recording writes, or has left\nhelp: if none \
                     writes it, move it away; `wproxy replay` reads it as it is"
                ),
                _ => anyhow::anyhow!("cannot write {name}: {error}"),
            })?;
        Ok(Draft {
            out: BufWriter::new(file),
            part,
            path: path.to_owned(),
            octets: 0,
            transactions: 0,
        })
    }

    /// Its name until it is whole.
    pub(super) fn part(&self) -> &Path {
        &self.part
    }

    /// Octets that are written.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Transactions that are written.
    pub(super) fn transactions(&self) -> u64 {
        self.transactions
    }

    /// One more line.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        self.out.write_all(line.as_bytes())?;
        self.out.write_all(b"\n")?;
        self.octets += line.len() as u64 + 1;
        Ok(())
    }

    /// One more line, which is a transaction.
    pub(super) fn transaction(&mut self, line: &str) -> io::Result<()> {
        self.line(line)?;
        self.transactions += 1;
        Ok(())
    }

    /// What is there survives whatever comes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// It is whole. Its octets.
    pub(super) fn keep(mut self, finished: &Finished) -> anyhow::Result<u64> {
        let last = serde_json::to_string(&Line::Finished(finished.clone()))?;
        let kept = self.line(&last).and_then(|()| self.name());
        kept.with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(self.octets)
    }

    /// It has come to an end before its end: what there is is kept. The error, with that.
    pub(super) fn give_up(mut self, error: anyhow::Error) -> anyhow::Error {
        if self.transactions == 0 {
            let _ = fs::remove_file(&self.part);
            return error;
        }
        let transactions = count(self.transactions, "transaction");
        match self.name() {
            Ok(()) => error.context(format!(
                "{} has no more than {transactions}",
                self.path.display()
            )),
            Err(_) => error.context(format!(
                "what there is of the recording is in {}",
                self.part.display()
            )),
        }
    }

    fn name(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        fs::rename(&self.part, &self.path)
    }
}
