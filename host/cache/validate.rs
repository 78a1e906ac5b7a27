//! Conditional requests (RFC 9110 §13) against a stored response, and what a 304 does to it (RFC
//! 9111 §4.3).

use super::Answer;
use super::control::NEVER_STORED;
use super::date;
use super::freshness::{Times, add_date};
use super::range::{self, Selection};
use crate::http::{Field, Fields};
use bytes::Bytes;
use http::StatusCode;
use std::time::{Duration, SystemTime};

/// What an answer about a stored response says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It still holds, and its fields are renewed.
    Renewed,
    /// It still holds, but the answer's fields must not become its own.
    Holds,
    /// It is about another response.
    Another,
}

/// What tells two representations of a resource apart for sure (RFC 9110 §8.8.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StrongValidator {
    ETag(Bytes),
    LastModified(Bytes),
}

/// Whether a conditional request says that the client has this response already. Evaluates
/// If-None-Match, or, without it, If-Modified-Since (RFC 9110 §13.2.2, RFC 9111 §4.3.2). Only for
/// responses that are 2xx (§13.2.1).
pub fn not_modified(
    request: &Fields,
    response: &Fields,
    times: &Times,
    now: SystemTime,
) -> Option<Answer> {
    if let Some(condition) = request.joined("if-none-match") {
        let matches = match response.get("etag") {
            _ if *condition == *b"*" => true,
            // Weak comparison: whether either is weak does not matter (§8.8.3.2).
            Some(etag) => EntityTags(&condition).any(|tag| tag == opaque(etag)),
            None => false,
        };
        return matches.then_some(Answer::NotModified { by_etag: true });
    }
    let since = date::parse(only(request, "if-modified-since")?, now)?;
    let modified = times.last_modified.unwrap_or(times.date);
    (modified <= since).then_some(Answer::NotModified { by_etag: false })
}

/// What of a body of that length a request's Range asks for, if the client still has the rest
/// (RFC 9110 §13.2.2, §14.2). Only for a 200 to a GET.
pub fn selection(request: &Fields, response: &Fields, times: &Times, length: u64) -> Selection {
    match only(request, "range") {
        Some(range) if if_range(request, response, times) => range::select(range, length),
        _ => Selection::Whole,
    }
}

/// §13.1.5: a range of another version than the client has would be useless.
fn if_range(request: &Fields, response: &Fields, times: &Times) -> bool {
    if !request.has("if-range") {
        return true;
    }
    match (only(request, "if-range"), strong_validator(response, times)) {
        (Some(condition), Some(StrongValidator::ETag(etag))) => *condition == etag,
        (Some(condition), Some(StrongValidator::LastModified(date))) => *condition == date,
        _ => false,
    }
}

/// The response's strong validator, where it has one: an ETag that is not weak, or, without ETag, a
/// Last-Modified after which the response cannot have changed within the second (§8.8.2.2).
pub fn strong_validator(response: &Fields, times: &Times) -> Option<StrongValidator> {
    // Copies: pieces keep it, and would keep with it all that the response came with.
    if let Some(etag) = response.get("etag") {
        return (!is_weak(etag)).then(|| StrongValidator::ETag(Bytes::copy_from_slice(etag)));
    }
    // Without a date of its own, two clocks are compared.
    let margin = match times.date == times.response_time {
        true => Duration::from_secs(60),
        false => Duration::from_secs(1),
    };
    let since = times.date.duration_since(times.last_modified?).ok()?;
    (since >= margin)
        .then(|| response.get("last-modified"))
        .flatten()
        .map(|date| StrongValidator::LastModified(Bytes::copy_from_slice(date)))
}

/// Puts the stored response's validators on a request to its origin (RFC 9111 §4.3.1). The
/// client's own conditions are answered from what comes back.
pub fn make_conditional(request: &mut Fields, stored: &Fields) {
    for condition in ["if-none-match", "if-modified-since", "range", "if-range"] {
        request.remove(condition);
    }
    if let Some(modified) = stored.get("last-modified") {
        request.push("If-Modified-Since", modified.clone());
    }
    if let Some(etag) = stored.get("etag") {
        request.push("If-None-Match", etag.clone());
    }
}

/// Whether a stored response can be asked about.
pub fn has_validator(stored: &Fields) -> bool {
    // In whichever century a date's year is, it is one.
    let date = |text: &Bytes| date::parse(text, SystemTime::UNIX_EPOCH).is_some();
    stored.has("etag") || stored.get("last-modified").is_some_and(date)
}

/// What a 304, or the 200 to a HEAD, says of the stored response that could have been chosen for
/// that request (§4.3.4, §4.3.5).
pub fn verdict(stored: &Fields, status: StatusCode, answer: &Fields, times: &Times) -> Verdict {
    match status {
        StatusCode::NOT_MODIFIED => after_304(stored, answer, times),
        _ => after_head(stored, answer),
    }
}

/// §4.3.4. A strong validator of the 304 has to be the stored response's, a weak one to correspond.
/// Only what this response's validators asked about can be meant by a 304 that has none, or whose
/// ETag only a weak comparison matches: then it holds, but is not updated. A strong ETag that came
/// with other content (servers compress on their way out, and weaken it for that) must not become
/// this one's.
fn after_304(stored: &Fields, answer: &Fields, times: &Times) -> Verdict {
    let same_date = || same_line(stored, answer, "last-modified");
    match (answer.get("etag"), stored.get("etag")) {
        (Some(new), Some(old)) if opaque(new) != opaque(old) => Verdict::Another,
        (Some(new), Some(old)) if is_weak(old) && !is_weak(new) => Verdict::Holds,
        (Some(_), Some(_)) => Verdict::Renewed,
        (Some(new), None) => match strong_validator(stored, times) {
            Some(_) if same_date() => Verdict::Renewed,
            None if same_date() && is_weak(new) => Verdict::Renewed,
            _ => Verdict::Another,
        },
        (None, _) if answer.has("last-modified") => match same_date() {
            true => Verdict::Renewed,
            false => Verdict::Another,
        },
        (None, _) if has_validator(stored) => Verdict::Holds,
        (None, _) => Verdict::Renewed,
    }
}

/// §4.3.5: whatever validators the answer has, the stored response has the same. Content-Length is
/// compared elsewhere.
fn after_head(stored: &Fields, answer: &Fields) -> Verdict {
    let mut validators = ["etag", "last-modified"].into_iter();
    let same = validators.all(|name| !answer.has(name) || same_line(stored, answer, name));
    match same {
        true => Verdict::Renewed,
        false => Verdict::Another,
    }
}

/// The fields of a stored response after an answer that renews it (§3.2): new ones take the old
/// ones' place, but for those that describe the content, which has not come with them. §3.2 lets
/// Content-Type and Content-Encoding be kept for the integrity of what is stored: there are servers
/// that give every 304 a default.
pub fn freshened(stored: &Fields, answer: &Fields, response_time: SystemTime) -> Fields {
    const KEPT: [&str; 4] = [
        "content-length",
        "content-encoding",
        "content-type",
        "content-range",
    ];
    let is_new = |line: &Field| {
        let excepted = KEPT.iter().chain(&NEVER_STORED);
        !excepted.into_iter().any(|name| line.is(name))
    };
    // Sorted: both can have many lines.
    let lower_case = |line: &Field| line.name.to_ascii_lowercase();
    let mut new: Vec<_> = answer
        .iter()
        .filter(|line| is_new(line))
        .map(lower_case)
        .collect();
    new.sort_unstable();
    // How old the stored response was when it came says nothing about this answer.
    let is_old = |line: &Field| {
        line.is("age") || line.is("date") || new.binary_search(&lower_case(line)).is_ok()
    };
    let mut fields = stored.clone();
    fields.retain(|line| !is_old(line));
    for line in answer.iter().filter(|line| is_new(line)) {
        fields.push(line.name.clone(), line.value.clone());
    }
    add_date(&mut fields, response_time);
    fields
}

/// The value of a field that may stand there once only; none where it is repeated.
fn only<'a>(fields: &'a Fields, name: &'a str) -> Option<&'a Bytes> {
    let mut lines = fields.all(name);
    lines.next().filter(|_| lines.next().is_none())
}

fn same_line(stored: &Fields, answer: &Fields, name: &str) -> bool {
    stored
        .get(name)
        .is_some_and(|value| Some(value) == answer.get(name))
}

fn is_weak(etag: &[u8]) -> bool {
    etag.starts_with(b"W/")
}

fn opaque(etag: &[u8]) -> &[u8] {
    etag.strip_prefix(b"W/").unwrap_or(etag)
}

/// The opaque tags of a list of entity tags (RFC 9110 §8.8.3), quotes and commas in them included.
/// Tags without quotes are none, but are in use.
struct EntityTags<'a>(&'a [u8]);

// === impl EntityTags ===

impl<'a> Iterator for EntityTags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let start = self.0.iter().position(|octet| !b" \t,".contains(octet))?;
            let text = opaque(&self.0[start..]);
            let quoted = text.strip_prefix(b"\"");
            let quote = quoted.and_then(|rest| rest.iter().position(|&octet| octet == b'"'));
            let end_of_tag = quote.map_or(0, |quote| quote + 2);
            let comma = text[end_of_tag..].iter().position(|&octet| octet == b',');
            let end = comma.map_or(text.len(), |comma| end_of_tag + comma);
            self.0 = &text[end..];
            let tag = text[..end].trim_ascii();
            // Something behind the last quote makes it no tag.
            if quote.is_none() || tag.len() == end_of_tag {
                return Some(tag);
            }
        }
    }
}

#[cfg(test)]
mod tests;
