//! Reads recordings.

use super::{FORMAT, Finished, Header, Line, Transaction};
use serde::Deserialize;
use serde_json::error::Category;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// A recording, line by line.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    name: String,
    header: Header,
    /// Of the line that was read last, counted from 1.
    number: usize,
    line: Vec<u8>,
    end: Option<End>,
}

/// What is at the end of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The line that has to be there.
    Finished(Finished),
    /// That is missing: between two lines.
    Missing,
    /// A part of a line.
    Part,
}

/// Why it is none, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// What the system says.
    #[error("cannot read {name}: {error}")]
    Io {
        /// The file.
        name: String,
        /// What the system says.
        error: io::Error,
    },
    /// It is something else.
    #[error("{name}:1: this is not a recording: {why}\nhelp: `wproxy record {name}` makes one")]
    Other {
        /// The file.
        name: String,
        /// What its first line lacks.
        why: String,
    },
    /// It is from a later version.
    #[error(
        "{name} was recorded by wproxy {wproxy}, in format {format}; wproxy {} reads formats up to \
         {FORMAT}\nhelp: replay it with the wproxy that recorded it, or a later one",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The file.
        name: String,
        /// Its format.
        format: u32,
        /// What wrote it.
        wproxy: String,
    },
    /// A line is none.
    #[error(
        "{name}:{line}: the recording is damaged: {why}\nhelp: without this line the rest can be used"
    )]
    Damaged {
        /// The file.
        name: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// What a header has in every format.
#[derive(Deserialize)]
struct AnyHeader {
    recording: AnyFormat,
}

#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
    wproxy: String,
}

// === impl Reader ===

impl Reader<BufReader<File>> {
    /// Opens a file and reads what it says of itself.
    ///
    /// # Errors
    /// It is no recording that can be read.
    pub fn open(path: &Path) -> Result<Self, Unreadable> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Reader::new(BufReader::with_capacity(1 << 16, file), name),
            Err(error) => Err(Unreadable::Io { name, error }),
        }
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads what it says of itself.
    ///
    /// # Errors
    /// It is no recording that can be read.
    pub fn new(from: R, name: String) -> Result<Self, Unreadable> {
        let header = Header {
            format: 0,
            wproxy: String::new(),
            generation: 0,
            began: String::new(),
            redacted: false,
        };
        let mut reader = Reader {
            from,
            name,
            header,
            number: 0,
            line: Vec::new(),
            end: None,
        };
        reader.advance()?;
        reader.header = reader.first()?;
        Ok(reader)
    }

    /// What its first line says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What was found at its end; none before [`transaction`](Reader::transaction) has given none.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The next transaction.
    ///
    /// # Errors
    /// A line is damaged, and more lines follow; or what the system says.
    pub fn transaction(&mut self) -> Result<Option<Transaction>, Unreadable> {
        if self.end.is_some() {
            return Ok(None);
        }
        if !self.advance()? {
            self.end = Some(End::Missing);
            return Ok(None);
        }
        match serde_json::from_slice(&self.line) {
            Ok(Line::Transaction(transaction)) => return Ok(Some(*transaction)),
            Ok(Line::Finished(finished)) => self.end = Some(End::Finished(finished)),
            Ok(Line::Recording(_)) => return Err(self.damaged(&"another recording begins here")),
            Err(_) if !self.line.ends_with(b"\n") => self.end = Some(End::Part),
            Err(error) => return Err(self.damaged(&plain(&error))),
        }
        Ok(None)
    }

    /// That of the line that was read last.
    pub fn damaged(&self, why: &impl ToString) -> Unreadable {
        Unreadable::Damaged {
            name: self.name.clone(),
            line: self.number,
            why: why.to_string(),
        }
    }

    fn first(&self) -> Result<Header, Unreadable> {
        let other = |error: serde_json::Error| Unreadable::Other {
            name: self.name.clone(),
            why: match error.classify() {
                _ if self.line.is_empty() => "it is empty".into(),
                Category::Data => plain(&error),
                _ => "its first line is not JSON".into(),
            },
        };
        let AnyHeader { recording } = serde_json::from_slice(&self.line).map_err(other)?;
        if recording.format > FORMAT {
            return Err(Unreadable::Newer {
                name: self.name.clone(),
                format: recording.format,
                wproxy: recording.wproxy,
            });
        }
        match serde_json::from_slice(&self.line) {
            Ok(Line::Recording(header)) => Ok(header),
            Ok(_) => Err(self.damaged(&"its first line is not the one that says so")),
            Err(error) => Err(self.damaged(&plain(&error))),
        }
    }

    /// Reads a line. Whether there was one.
    fn advance(&mut self) -> Result<bool, Unreadable> {
        self.line.clear();
        self.number += 1;
        let read = self.from.read_until(b'\n', &mut self.line);
        match read {
            Ok(octets) => Ok(octets > 0),
            Err(error) => Err(Unreadable::Io {
                name: self.name.clone(),
                error,
            }),
        }
    }
}

/// What is wrong with a line, in words that need no parser to be understood.
fn plain(error: &serde_json::Error) -> String {
    let column = error.column();
    match error.classify() {
        Category::Eof => return "the line ends before it is complete".into(),
        Category::Syntax | Category::Io => {
            return format!("it is not JSON from column {column} on");
        }
        Category::Data => {}
    }
    let said = error.to_string();
    let said = said
        .rsplit_once(" at line ")
        .map_or(&*said, |(said, _)| said);
    if let Some(field) = said.strip_prefix("missing field ") {
        return format!("{field} is missing");
    }
    let odd = ["invalid type: ", "invalid value: "];
    let odd = odd.iter().find_map(|odd| said.strip_prefix(odd));
    match odd.and_then(|odd| odd.split_once(", expected ")) {
        Some((found, wanted)) => format!("in column {column}, {found} is in place of {wanted}"),
        None => format!("in column {column}, {said}"),
    }
}
