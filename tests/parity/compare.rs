//! How what was seen here differs from the record.

use super::case::{Asked, Got};
use crate::support::{Response, Seen};
use std::collections::BTreeSet;

/// Lines, each of a difference: of what a client got.
pub(super) fn got(squid: &Got, ours: &Got) -> Vec<String> {
    let mut lines = Vec::new();
    let mut differ = |what: &str, squid: String, ours: String| {
        if squid != ours {
            lines.push(format!("{what} {} -> {}", short(&squid), short(&ours)));
        }
    };
    let answer = |got: &Got| match (got.closed, &got.error) {
        (true, _) => "closed".to_owned(),
        (false, Some(error)) => format!("{} {error}", got.status),
        (false, None) => got.status.to_string(),
    };
    differ("status", answer(squid), answer(ours));
    differ("connection", ending(squid), ending(ours));
    // A response of another kind, or from elsewhere, has other fields and another body: that goes
    // without saying.
    if answer(squid) == answer(ours) && squid.error.is_none() {
        let text = |tunnel: &Option<String>| tunnel.clone().unwrap_or_default();
        differ("tunnel", text(&squid.tunnel), text(&ours.tunnel));
        differ("interim", squid.interim.join(", "), ours.interim.join(", "));
        if squid.page {
            differ("page", "some".into(), some(&ours.body));
            return lines;
        }
        differ("from cache", cache(squid), cache(ours));
        if cache(squid) == cache(ours) {
            differ("reason", squid.reason.clone(), ours.reason.clone());
            differ("body", squid.body.clone(), ours.body.clone());
            lines.extend(lists("field", &squid.fields, &ours.fields));
            lines.extend(lists("trailer", &squid.trailers, &ours.trailers));
        }
    }
    lines
}

/// The same of what the origin was asked.
pub(super) fn asked(squid: &[Asked], ours: &[Asked]) -> Vec<String> {
    let heads = |asked: &[Asked]| {
        let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
        match lines.is_empty() {
            true => "nothing".to_owned(),
            false => lines.join(", "),
        }
    };
    if heads(squid) != heads(ours) {
        return vec![format!(
            "asked {} -> {}",
            short(&heads(squid)),
            short(&heads(ours))
        )];
    }
    let mut lines = Vec::new();
    for (squid, ours) in squid.iter().zip(ours) {
        lines.extend(lists("asked with", &squid.fields, &ours.fields));
        lines.extend(lists("asked with trailer", &squid.trailers, &ours.trailers));
        if squid.body != ours.body {
            lines.push(format!(
                "asked with a body of {} -> {}",
                squid.body, ours.body
            ));
        }
    }
    lines
}

/// A response as the record has it.
pub(super) fn recorded(response: Response) -> Got {
    let close = response.field("connection") == Some("close");
    let error = response.field("x-squid-error");
    let error = error.map(|error| error.trim_end_matches(" 0").to_owned());
    Got {
        status: response.status,
        reason: response.reason,
        interim: response.interim,
        fields: lines(response.fields, &["connection", "cache-status"]),
        trailers: lines(response.trailers, &[]),
        body: String::from_utf8_lossy(&response.body).into_owned(),
        error,
        close,
        ..Got::default()
    }
}

/// A request as the record has it.
pub(super) fn request(seen: Seen) -> Asked {
    Asked {
        line: format!("{} {} HTTP/1.1", seen.method, seen.target),
        fields: lines(seen.fields, &[]),
        body: seen.body.len(),
        trailers: seen.trailers,
    }
}

fn lines(fields: Vec<(String, String)>, without: &[&str]) -> Vec<String> {
    let fields = fields
        .into_iter()
        .filter(|(name, _)| !without.contains(&&**name));
    fields
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

/// `HIT` or `MISS`
fn cache(got: &Got) -> String {
    let line = got
        .fields
        .iter()
        .map(|line| normal(line))
        .find(|line| name(line) == "x-cache");
    let words = line.unwrap_or_default();
    words.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn some(text: &str) -> String {
    if text.is_empty() { "none" } else { "some" }.to_owned()
}

fn ending(got: &Got) -> String {
    match got.close || got.closed {
        true => "ends".to_owned(),
        false => "stays".to_owned(),
    }
}

/// Lines that only one of them has; those of one name keep their order.
fn lists(what: &str, squid: &[String], ours: &[String]) -> Vec<String> {
    let normal = |lines: &[String]| -> Vec<String> { lines.iter().map(|l| normal(l)).collect() };
    let (squid, ours) = (normal(squid), normal(ours));
    let names: BTreeSet<&str> = squid.iter().chain(&ours).map(|line| name(line)).collect();
    let mut lines = Vec::new();
    for wanted in names {
        let of = |all: &[String]| -> Vec<String> {
            let all = all.iter().filter(|line| name(line) == wanted);
            all.map(|line| {
                line[wanted.len()..]
                    .trim_start_matches(':')
                    .trim()
                    .to_owned()
            })
            .collect()
        };
        let (squid, ours) = (of(&squid), of(&ours));
        let text = |values: &[String]| match values.is_empty() {
            true => "none".to_owned(),
            false => short(&values.join(" | ")),
        };
        if squid != ours {
            lines.push(format!(
                "{what} {wanted} {} -> {}",
                text(&squid),
                text(&ours)
            ));
        }
    }
    lines
}

fn name(line: &str) -> &str {
    line.split_once(':').map_or(line, |(name, _)| name)
}

/// Without what differs from one proxy, or from one second, to the next.
fn normal(line: &str) -> String {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    let (name, value) = (name.to_ascii_lowercase(), value.trim());
    let value = match (&*name, value.parse::<u64>()) {
        // The record's clock and ours have not stood still since the response was stored.
        ("age", Ok(age)) => format!("{}.", age / 10),
        _ if httpdate::parse_http_date(value).is_ok() => "{date}".to_owned(),
        ("via", _) => value.replace("(wproxy)", "({product})"),
        _ => value.to_owned(),
    };
    format!("{name}: {value}")
}

/// Enough of it to know it again.
fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}... ({})", &text[..end], text.len()),
        None => text.trim_end().to_owned(),
    }
}
