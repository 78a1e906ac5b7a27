//! A helper that is an HTTP service: `GET url?key=...`, and the status is the answer.

use super::{Answer, Finding, SLACK};
use crate::config::{HelperSettings, ServiceUrl};
use crate::error::reading_reply;
use crate::http::{
    BodyLength, Fields, Framing, ReadError, ResponseHead, Target, keeps_connection,
    response_framing,
};
use crate::upstream::{Reuse, Upstream, Upstreams};
use http::{Method, StatusCode};
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::{timeout, timeout_at};

/// A service that can be asked.
#[derive(Debug)]
pub(super) struct Service {
    target: Target,
    timeout: Duration,
    connections: Semaphore,
    /// Questions that wait for a connection.
    waiting: AtomicUsize,
    queue_size: usize,
}

/// Octets of its header section, and of its answer.
const MAX_HEAD: usize = 64 << 10;
const MAX_BODY: usize = 64 << 10;

/// Why there is no answer.
type Trouble = String;

/// Counts one that waits.
struct Place<'a>(&'a AtomicUsize);

// === impl Service ===

impl Service {
    pub(super) fn new(url: &ServiceUrl, settings: &HelperSettings) -> Service {
        Service {
            target: url.target().clone(),
            timeout: settings.timeout,
            connections: Semaphore::new(settings.children),
            waiting: AtomicUsize::new(0),
            queue_size: settings.queue_size,
        }
    }

    pub(super) async fn ask(&self, key: &str, upstreams: &Upstreams) -> Answer {
        let asked = self.in_turn(key, upstreams).await;
        asked.unwrap_or_else(Answer::failed)
    }

    async fn in_turn(&self, key: &str, upstreams: &Upstreams) -> Result<Answer, Trouble> {
        let limit = self.timeout;
        let _turn = match self.connections.try_acquire() {
            Ok(turn) => turn,
            Err(_) => {
                let _place = self.place()?;
                let deadline = (Instant::now() + limit).into();
                let turn = timeout_at(deadline, self.connections.acquire()).await;
                let turn = turn.map_err(|_| format!("no turn within {limit:?}"))?;
                // It is never closed.
                turn.map_err(|closed| closed.to_string())?
            }
        };
        let asked = timeout(limit + SLACK, self.with_retry(key, upstreams)).await;
        asked.map_err(|_| format!("it has not answered within {limit:?}"))?
    }

    fn place(&self) -> Result<Place<'_>, Trouble> {
        let place = Place(&self.waiting);
        match self.waiting.fetch_add(1, Ordering::Relaxed) < self.queue_size {
            true => Ok(place),
            false => Err(format!("{} questions wait already", self.queue_size)),
        }
    }

    /// A kept connection may have been closed meanwhile: then, once more on a new one.
    async fn with_retry(&self, key: &str, upstreams: &Upstreams) -> Result<Answer, Trouble> {
        let kept = self.connection(upstreams, Reuse::Welcome).await?;
        let was_kept = kept.reused;
        match self.exchange(kept, key, upstreams).await {
            Err(_) if was_kept => {
                let new = self.connection(upstreams, Reuse::Never).await?;
                self.exchange(new, key, upstreams).await
            }
            asked => asked,
        }
    }

    async fn connection(&self, upstreams: &Upstreams, reuse: Reuse) -> Result<Upstream, Trouble> {
        let connection = upstreams.checkout(&self.target, None, reuse).await;
        connection.map_err(|failure| failure.to_string())
    }

    async fn exchange(
        &self,
        mut upstream: Upstream,
        key: &str,
        upstreams: &Upstreams,
    ) -> Result<Answer, Trouble> {
        let limit = self.timeout + SLACK;
        let writer = &mut upstream.writer;
        for part in [b"GET ", &*path(&self.target.path, key), b" HTTP/1.1\r\n"] {
            writer.push(part);
        }
        writer.push_fields(&self.fields());
        writer.begin_body(BodyLength::None);
        let sent = writer.flush(limit).await;
        sent.map_err(|error| format!("it cannot be asked: {error}"))?;

        let failed = |error: ReadError| reading_reply(&self.target, error).to_string();
        let reader = &mut upstream.reader;
        let head = loop {
            let section = reader.section(MAX_HEAD, limit).await.map_err(failed)?;
            let head = ResponseHead::parse(&section).map_err(|error| failed(error.into()))?;
            if !head.status.is_informational() {
                break head;
            }
        };
        let framing = response_framing(&Method::GET, &head);
        let framing = framing.map_err(|error| failed(error.into()))?;
        reader.expect_body(framing);
        let mut body = Vec::new();
        while let Some(data) = reader.chunk(limit).await.map_err(failed)? {
            if body.len() + data.len() > MAX_BODY {
                return Err(format!("its answer is longer than {} KB", MAX_BODY >> 10));
            }
            body.extend_from_slice(data);
        }
        if framing != Framing::UntilClose && keeps_connection(&head) {
            upstreams.checkin(upstream);
        }
        answer(head.status, &body)
    }

    fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.push("Host", self.target.authority().clone());
        fields.push("User-Agent", concat!("wproxy/", env!("CARGO_PKG_VERSION")));
        fields.push("Accept", "application/json");
        fields
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// With the key in the query, percent-encoded.
fn path(path: &[u8], key: &str) -> Vec<u8> {
    let sign = if path.contains(&b'?') { '&' } else { '?' };
    let mut query = format!("{sign}key=");
    for octet in key.bytes() {
        match octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            true => query.push(char::from(octet)),
            // Writing to a String cannot fail.
            false => drop(write!(query, "%{octet:02X}")),
        }
    }
    [path, query.as_bytes()].concat()
}

/// What status and body say.
fn answer(status: StatusCode, body: &[u8]) -> Result<Answer, Trouble> {
    let not_found = |pairs| Answer {
        finding: Finding::NotFound,
        pairs,
    };
    match status {
        StatusCode::OK => {
            let (found, pairs) = understood(body)?;
            match found {
                true => Ok(Answer {
                    finding: Finding::Found,
                    pairs,
                }),
                false => Ok(not_found(pairs)),
            }
        }
        StatusCode::NO_CONTENT => Ok(not_found(Vec::new())),
        // Its page may be for people.
        StatusCode::NOT_FOUND => Ok(not_found(understood(body).unwrap_or_default().1)),
        status => Err(format!("it answers {status}")),
    }
}

/// What a JSON object says; nothing is one without members. Whether something was found, and the
/// pairs.
fn understood(body: &[u8]) -> Result<(bool, Vec<(String, String)>), Trouble> {
    if body.trim_ascii().is_empty() {
        return Ok((true, Vec::new()));
    }
    let wrong = |what: &str| format!("its answer is {what}");
    let object = match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(wrong("no JSON object")),
        Err(error) => return Err(wrong(&format!("no JSON: {error}"))),
    };
    let mut found = true;
    let mut pairs = Vec::new();
    for (name, value) in object {
        match value {
            Value::Bool(is) if name == "found" => found = is,
            _ if name == "found" => return Err(wrong("odd: `found` is true or false")),
            Value::String(text) => pairs.push((name, text)),
            Value::Number(number) => pairs.push((name, number.to_string())),
            Value::Bool(is) => pairs.push((name, is.to_string())),
            Value::Null => {}
            Value::Array(_) | Value::Object(_) => {
                return Err(wrong(&format!(
                    "odd: `{name}` is neither text nor a number"
                )));
            }
        }
    }
    Ok((found, pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stands_in_the_query() {
        for (url, key, expected) in [
            ("/", "a b", "/?key=a%20b"),
            (
                "/x?y=z",
                "10.0.0.1 a%20b&c",
                "/x?y=z&key=10.0.0.1%20a%2520b%26c",
            ),
            ("/", "ä~", "/?key=%C3%A4~"),
        ] {
            assert_eq!(path(url.as_bytes(), key), expected.as_bytes(), "{key}");
        }
    }

    type Pairs = &'static [(&'static str, &'static str)];

    #[test]
    fn status_and_json_are_the_answer() {
        use Finding::{Found, NotFound};
        #[rustfmt::skip]
        let cases: &[(u16, &str, Finding, Pairs)] = &[
            (200, "", Found, &[]),
            (200, " \n", Found, &[]),
            (200, "{}", Found, &[]),
            (200, "{\"found\": true, \"user\": \"ann\", \"n\": 7, \"b\": true, \"x\": null}", Found, &[("b", "true"), ("n", "7"), ("user", "ann")]),
            (200, "{\"found\": false, \"message\": \"no\"}", NotFound, &[("message", "no")]),
            (204, "", NotFound, &[]),
            (404, "<html>", NotFound, &[]),
            (404, "{\"message\": \"no\"}", NotFound, &[("message", "no")]),
        ];
        for (status, body, finding, pairs) in cases {
            let status = StatusCode::from_u16(*status).expect("a status");
            let answer = answer(status, body.as_bytes()).expect(body);
            assert_eq!(answer.finding, *finding, "{body}");
            let mut got = answer
                .pairs
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect::<Vec<_>>();
            got.sort_unstable();
            assert_eq!(got, *pairs, "{body}");
        }
        for (status, body, trouble) in [
            (200, "OK", "its answer is no JSON: "),
            (200, "[]", "its answer is no JSON object"),
            (200, "{\"found\": \"no\"}", "`found` is true or false"),
            (200, "{\"a\": []}", "`a` is neither text nor a number"),
            (302, "", "it answers 302 Found"),
            (401, "", "it answers 401 Unauthorized"),
            (500, "{}", "it answers 500 Internal Server Error"),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let error = answer(status, body.as_bytes()).expect_err(body);
            assert!(error.contains(trouble), "{body}: {error}");
        }
    }
}
