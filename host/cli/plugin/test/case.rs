//! Cases as they stand in a plugin's `cases/*.toml`.
//!
//! A file is one case, named after the file, or has a `[[case]]` for each, with a `name`. Then its
//! own `[request]`, `[config]` and `[response]` are what the cases have in common: a case says only
//! what is different. Of requests and responses that is a key at a time, of the configuration all.

use super::completed::{self, WrittenCompleted};
use super::outcome::Outcome;
use crate::cli::question;
use crate::config::{Mistake, Section, Source};
use crate::helper::{Answer, Question, parse_answer};
use crate::http::{Fields, RequestHead, Version};
use crate::log::Completed;
use crate::transaction::Request;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use serde::Deserialize;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use toml::Spanned;

/// A file of them.
#[derive(Debug)]
pub(super) struct CaseFile {
    pub(super) source: Source,
    pub(super) cases: Vec<Case>,
}

/// A request, what becomes of it, and what should.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) request: Request,
    pub(super) body: Option<Body>,
    /// What the name in it resolves to.
    pub(super) addresses: Option<Arc<[IpAddr]>>,
    /// What helpers say.
    pub(super) answers: Vec<(Question, Arc<Answer>)>,
    /// In place of the manifest's.
    pub(super) config: Option<Section>,
    pub(super) response: Option<Response>,
    /// What an observer is told.
    pub(super) completed: Vec<Completed>,
    pub(super) expect: Outcome,
    /// Where mistakes about all of it are shown.
    pub(super) span: Range<usize>,
    /// Where the case stands among the file's `[[case]]`; none where it is the file.
    pub(super) index: Option<usize>,
}

/// An origin's answer.
#[derive(Debug, Clone)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) fields: Fields,
    pub(super) body: Option<Body>,
}

/// A body, and how it comes.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) octets: Vec<u8>,
    /// Octets that come at a time.
    pub(super) pieces: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    name: Option<Spanned<String>>,
    #[serde(default)]
    request: WrittenRequest,
    config: Option<toml::Table>,
    response: Option<WrittenResponse>,
    #[serde(default)]
    completed: Vec<WrittenCompleted>,
    expect: Option<Spanned<Outcome>>,
    #[serde(default)]
    case: Vec<WrittenCase>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCase {
    name: Spanned<String>,
    #[serde(default)]
    request: WrittenRequest,
    config: Option<toml::Table>,
    response: Option<WrittenResponse>,
    completed: Option<Vec<WrittenCompleted>>,
    #[serde(default)]
    expect: Outcome,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenRequest {
    method: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
    client: Option<IpAddr>,
    addresses: Option<Vec<IpAddr>>,
    answers: Option<Vec<WrittenAnswer>>,
    received: Option<Spanned<String>>,
    fields: Option<Vec<Spanned<String>>>,
    body: Option<String>,
    pieces: Option<NonZeroUsize>,
}

/// `{ helper = "directory", key = "10.0.0.5", answer = "OK user=ann" }`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAnswer {
    helper: String,
    key: String,
    answer: Spanned<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenResponse {
    status: Option<Spanned<u16>>,
    fields: Option<Vec<Spanned<String>>>,
    body: Option<String>,
    pieces: Option<NonZeroUsize>,
}

/// When requests were received that do not say when: a Thursday.
pub(super) const RECEIVED: &str = "2026-01-01T12:00:00Z";

// === impl CaseFile ===

impl CaseFile {
    /// Reads one.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub(super) fn read(path: &Path) -> Result<CaseFile, Mistake> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        CaseFile::from_source(Source::read(path)?, &stem)
    }

    /// The same from a text.
    pub(super) fn from_source(source: Source, stem: &str) -> Result<CaseFile, Mistake> {
        let written: WrittenFile = source.parse()?;
        let cases = match written.case.is_empty() {
            true => vec![single(&source, written, stem)?],
            false => several(&source, written)?,
        };
        Ok(CaseFile { source, cases })
    }
}

fn single(source: &Source, written: WrittenFile, stem: &str) -> Result<Case, Mistake> {
    let span = written.expect.as_ref().map_or(0..0, Spanned::span);
    let expect = written.expect.map(Spanned::into_inner).unwrap_or_default();
    let completed = completed::all(source, &written.completed)?;
    let asked = written.request.or_any(&completed, &expect);
    Ok(Case {
        name: written
            .name
            .map_or_else(|| stem.to_owned(), Spanned::into_inner),
        request: request(source, &asked, span.clone())?,
        completed,
        body: body(asked.body.as_ref(), asked.pieces),
        answers: answers(source, asked.answers)?,
        addresses: asked.addresses.map(Arc::from),
        config: source.section(&["config"])?,
        response: response(source, written.response)?,
        expect,
        span,
        index: None,
    })
}

fn several(source: &Source, written: WrittenFile) -> Result<Vec<Case>, Mistake> {
    if let Some(name) = written.name {
        let message = "each [[case]] has a name of its own; the file needs none";
        return Err(source.mistake(name.span(), message));
    }
    if let Some(expect) = written.expect {
        let message = "this key belongs under one of the [[case]] tables";
        return Err(source
            .mistake(expect.span(), message)
            .help("write [case.expect] below each"));
    }
    let mut names = HashSet::new();
    let mut cases = Vec::new();
    for (index, case) in written.case.into_iter().enumerate() {
        let (span, name) = (case.name.span(), case.name.into_inner());
        if !names.insert(name.clone()) {
            return Err(source.mistake(span, "another case of this file has that name"));
        }
        let asked = case.request.or(&written.request);
        let answered = match (case.response, &written.response) {
            (None, common) => common.clone(),
            (Some(own), None) => Some(own),
            (Some(own), Some(common)) => Some(own.or(common)),
        };
        let config = match (case.config, &written.config) {
            (Some(_), _) => source.section(&["case", &index.to_string(), "config"])?,
            (None, _) => source.section(&["config"])?,
        };
        let completed = case.completed.as_ref().unwrap_or(&written.completed);
        let completed = completed::all(source, completed)?;
        let asked = asked.or_any(&completed, &case.expect);
        cases.push(Case {
            name,
            request: request(source, &asked, span.clone())?,
            completed,
            answers: answers(source, asked.answers)?,
            body: body(asked.body.as_ref(), asked.pieces),
            addresses: asked.addresses.map(Arc::from),
            config,
            response: response(source, answered)?,
            expect: case.expect,
            span,
            index: Some(index),
        });
    }
    Ok(cases)
}

impl WrittenRequest {
    /// What is not said here as it is said there.
    fn or(self, common: &WrittenRequest) -> WrittenRequest {
        let common = common.clone();
        WrittenRequest {
            method: self.method.or(common.method),
            url: self.url.or(common.url),
            client: self.client.or(common.client),
            addresses: self.addresses.or(common.addresses),
            answers: self.answers.or(common.answers),
            received: self.received.or(common.received),
            fields: self.fields.or(common.fields),
            body: self.body.or(common.body),
            pieces: self.pieces.or(common.pieces),
        }
    }

    /// A case that only tells an observer something needs none: nobody is asked about it.
    fn or_any(mut self, completed: &[Completed], expect: &Outcome) -> WrittenRequest {
        if self.url.is_none() && !completed.is_empty() && expect.hooks().is_empty() {
            self.url = Some(Spanned::new(0..0, "http://example.com/".into()));
        }
        self
    }
}

impl WrittenResponse {
    /// As for requests.
    fn or(self, common: &WrittenResponse) -> WrittenResponse {
        let common = common.clone();
        WrittenResponse {
            status: self.status.or(common.status),
            fields: self.fields.or(common.fields),
            body: self.body.or(common.body),
            pieces: self.pieces.or(common.pieces),
        }
    }
}

/// `case` is where the case stands.
fn request(
    source: &Source,
    written: &WrittenRequest,
    case: Range<usize>,
) -> Result<Request, Mistake> {
    let at =
        |span: Range<usize>| move |error: anyhow::Error| source.mistake(span, format!("{error:#}"));
    let method = match &written.method {
        Some(text) => question::method(text.get_ref()).map_err(at(text.span()))?,
        None => http::Method::GET,
    };
    let Some(url) = &written.url else {
        return Err(source
            .mistake(case, "what is this case's request for?")
            .help("[request] has a `url`: \"http://example.com/a\"; for CONNECT \"host:443\""));
    };
    let target = question::target(&method, url.get_ref()).map_err(at(url.span()))?;
    let (received, offset) = match &written.received {
        Some(text) => moment(text.get_ref()).ok_or_else(|| no_moment(source, text.span()))?,
        None => moment(RECEIVED).unwrap_or((SystemTime::UNIX_EPOCH, 0)),
    };
    let head = RequestHead {
        method,
        target: Bytes::new(),
        version: Version::Http11,
        fields: fields(source, written.fields.as_deref())?,
    };
    let client = written.client.unwrap_or(Ipv4Addr::LOCALHOST.into());
    Ok(Request::new(head, target, (client, 0).into(), received).at_offset(offset))
}

fn answers(
    source: &Source,
    written: Option<Vec<WrittenAnswer>>,
) -> Result<Vec<(Question, Arc<Answer>)>, Mistake> {
    let answer = |written: WrittenAnswer| {
        let WrittenAnswer {
            helper,
            key,
            answer,
        } = written;
        let parsed = parse_answer(answer.get_ref()).map_err(|garbage| {
            source
                .mistake(answer.span(), garbage.to_string())
                .help("write it as squid's helpers say it: \"OK user=ann\", \"ERR\"")
        })?;
        Ok((Question { helper, key }, Arc::new(parsed)))
    };
    written
        .unwrap_or_default()
        .into_iter()
        .map(answer)
        .collect()
}

fn response(
    source: &Source,
    written: Option<WrittenResponse>,
) -> Result<Option<Response>, Mistake> {
    let Some(written) = written else {
        return Ok(None);
    };
    let status = match written.status {
        Some(status) if !(100..=599).contains(status.get_ref()) => {
            return Err(source.mistake(status.span(), "a status is 100 to 599"));
        }
        status => status.map_or(200, Spanned::into_inner),
    };
    Ok(Some(Response {
        status,
        fields: fields(source, written.fields.as_deref())?,
        body: body(written.body.as_ref(), written.pieces),
    }))
}

fn body(written: Option<&String>, pieces: Option<NonZeroUsize>) -> Option<Body> {
    written.map(|text| Body {
        octets: text.clone().into_bytes(),
        pieces: pieces.map_or(usize::MAX, NonZeroUsize::get),
    })
}

fn fields(source: &Source, lines: Option<&[Spanned<String>]>) -> Result<Fields, Mistake> {
    let mut fields = Fields::default();
    for line in lines.unwrap_or_default() {
        question::push_field(&mut fields, line.get_ref())
            .map_err(|error| source.mistake(line.span(), format!("{error:#}")))?;
    }
    Ok(fields)
}

/// RFC 3339, and how far that is from UTC.
pub(super) fn moment(text: &str) -> Option<(SystemTime, i32)> {
    let moment: Timestamp = text.parse().ok()?;
    let offset = Pieces::parse(text).ok()?.to_numeric_offset()?;
    Some((moment.into(), offset.seconds()))
}

pub(super) fn no_moment(source: &Source, span: Range<usize>) -> Mistake {
    source
        .mistake(span, "not a moment")
        .help("write \"2026-01-01T23:30:00+01:00\": the local time, and its distance from UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_says_what_is_different_from_the_others() {
        let text = "[request]\nurl = 'http://a/'\nclient = '10.0.0.1'\nfields = ['A: b']\n\
                    [config]\nx = 1\n[response]\nstatus = 404\nfields = ['C: d']\n\
                    [[case]]\nname = 'common'\n\
                    [[case]]\nname = 'own'\nrequest = { method = 'HEAD', fields = [] }\n\
                    config = {}\nresponse = { status = 301 }\n";
        let file = CaseFile::from_source(Source::new("a.toml", text), "a").expect("valid");
        let [common, own] = &file.cases[..] else {
            panic!("{:?}", file.cases);
        };
        let config = |case: &Case| case.config.as_ref().map(|c| c.json().to_owned());
        let response = |case: &Case| case.response.as_ref().map(|r| (r.status, r.fields.len()));
        for case in [common, own] {
            assert_eq!(&**case.request.uri(), "http://a/");
            assert_eq!(case.request.client.ip(), IpAddr::from([10, 0, 0, 1]));
        }
        assert_eq!(common.request.method, "GET");
        assert_eq!(common.request.fields.len(), 1);
        assert_eq!(config(common).as_deref(), Some("{\"x\":1}"));
        assert_eq!(response(common), Some((404, 1)));
        assert_eq!(own.request.method, "HEAD");
        assert_eq!(own.request.fields.len(), 0);
        assert_eq!(config(own).as_deref(), Some("{}"));
        assert_eq!(response(own), Some((301, 1)));
    }

    #[test]
    fn a_file_can_be_one_case() {
        let text = "[request]\nmethod = 'CONNECT'\nurl = 'a:443'\naddresses = ['192.0.2.1']\n\
                    [expect]\naccess = { verdict = 'allow' }";
        let read = |text: &str| CaseFile::from_source(Source::new("night.toml", text), "night");
        let file = read(text).expect("valid");
        let case = &file.cases[0];
        assert_eq!((file.cases.len(), &*case.name), (1, "night"));
        // Until the plugin asks for them.
        assert_eq!(case.request.addresses(), None);
        assert!(case.config.is_none() && case.response.is_none());
        let named = read(&format!("name = 'by night'\n{text}")).expect("valid");
        assert_eq!(named.cases[0].name, "by night");
    }

    #[test]
    fn moments_are_local_whatever_the_machine_s_zone() {
        for (text, expected) in [
            ("2026-01-01T23:30:00+01:00", Some((1_767_306_600, 3600))),
            ("2026-01-01T14:30:00-08:00", Some((1_767_306_600, -28_800))),
            (RECEIVED, Some((1_767_268_800, 0))),
            ("2026-01-01T12:00:00", None),
            ("2026-01-01", None),
            ("noon", None),
        ] {
            let unix = |(moment, offset): (SystemTime, i32)| {
                let since = moment
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .expect("after");
                (since.as_secs(), offset)
            };
            assert_eq!(moment(text).map(unix), expected, "{text}");
        }
    }
}
