//! Recordings of the documented policy, as large as need be.

use super::{Hooks, LIMIT};
use crate::comparison::Sizes;
use crate::http::{Fields, Form, RequestHead, Target, Version};
use crate::notes::{Notebook, Noted, Wanted};
use crate::recording::{FORMAT, Finished, Header, Line, Reader, Transaction};
use crate::redact::Redactor;
use crate::replay::replay;
use crate::transaction::Request;
use anyhow::Context as _;
use bytes::Bytes;
use http::Method;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

/// A recording, and the policy that was recorded.
pub struct Recorded {
    hooks: Hooks,
    file: Vec<u8>,
}

impl Recorded {
    /// Of so many transactions: of each ten, one is denied, and the others go all the way.
    ///
    /// # Errors
    /// The plugins cannot be run here.
    pub fn transactions(count: u64) -> anyhow::Result<Recorded> {
        let mut recorded = Recorded {
            hooks: Hooks::documented()?,
            file: Vec::new(),
        };
        let redactor = Redactor::new([7; 32]);
        recorded.line(&Line::Recording(Header {
            format: FORMAT,
            wproxy: env!("CARGO_PKG_VERSION").into(),
            generation: 1,
            began: "2026-11-24T21:50:03Z".into(),
            redacted: true,
        }))?;
        for number in 0..count {
            let mut transaction = Transaction::new(&recorded.noted(number)?);
            redactor.redact(&mut transaction);
            recorded.line(&Line::Transaction(Box::new(transaction)))?;
        }
        recorded.line(&Line::Finished(Finished {
            transactions: count,
            missed: 0,
            why: "enough".into(),
        }))?;
        Ok(recorded)
    }

    /// The file.
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// Reads it and asks the policy again. How many transactions there are, and would change.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn replay(&self) -> anyhow::Result<(u64, u64)> {
        let sizes = Sizes {
            request: LIMIT,
            reply: LIMIT,
        };
        let reader = Reader::new(&*self.file, "the recording".into())?;
        let report = replay(reader, &self.hooks.generation, sizes, 3)?;
        Ok((report.transactions, report.changed))
    }

    fn line(&mut self, line: &Line) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.file, line)?;
        Ok(self.file.write_all(b"\n")?)
    }

    /// A transaction as the proxy sees it.
    fn noted(&self, number: u64) -> anyhow::Result<Noted> {
        let port = if number % 10 == 9 { 8080 } else { 80 };
        let text = format!(
            "http://host-{}.example.com:{port}/packages/{number}.rpm",
            number % 97
        );
        let text = Bytes::from(text);
        let Form::Proxy(target) = Target::parse(&Method::GET, &text)? else {
            anyhow::bail!("the target is not in absolute form");
        };
        let mut fields = Fields::default();
        fields.push("Host", target.authority().clone());
        fields.push(
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0",
        );
        fields.push(
            "Accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        );
        fields.push("Accept-Language", "en-GB,en;q=0.5");
        fields.push("Accept-Encoding", "gzip, deflate, br");
        fields.push(
            "Cookie",
            format!("session=0123456789abcdef{number}; theme=dark"),
        );
        fields.push("Referer", "http://www.example.com/packages/");
        let head = RequestHead {
            method: Method::GET,
            target: Bytes::new(),
            version: Version::Http11,
            fields,
        };
        let received = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_557_003_000 + number);
        let request = Request::new(head, target, ([10, 1, 2, 3], 40_000).into(), received);
        let request = std::sync::Arc::new(request.noted(Notebook::new(Wanted::ALL)));
        let generation = &self.hooks.generation;
        if generation.authorize(&request).is_ok() {
            generation.key_for(&request);
            let mut outgoing = request.fields.clone();
            outgoing.push("Via", "1.1 none");
            generation.on_request(&request, &mut outgoing, LIMIT)?;
            let mut incoming = self.hooks.response();
            generation.rule_for(&request, 200, &mut incoming);
            generation.on_response(&request, 200, &mut incoming, LIMIT)?;
        }
        let notes = request.notebook().and_then(Notebook::take);
        Ok(Noted {
            notes: notes.context("no notes are taken")?,
            generation: 1,
            request,
            wanted: Wanted::ALL,
        })
    }
}
