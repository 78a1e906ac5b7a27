//! The record's format, and its templates.

use serde::Deserialize;
use std::time::{Duration, SystemTime};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) group: String,
    /// 200 and a short body where there is none.
    #[serde(default)]
    pub(super) origin: Vec<Answer>,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) path: Option<String>,
    pub(super) has: Option<(String, String)>,
    pub(super) nth: Option<usize>,
    #[serde(default)]
    pub(super) again: bool,
    pub(super) answer: String,
    #[serde(default)]
    pub(super) close: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) client: String,
    /// Milliseconds.
    pub(super) wait: Option<u64>,
    pub(super) send: Vec<String>,
    #[serde(rename = "continue")]
    pub(super) after_100: Option<String>,
    pub(super) tunnel: Option<String>,
    pub(super) squid: Vec<Got>,
    #[serde(default)]
    pub(super) origin: Vec<Asked>,
}

/// What a client got for a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) interim: Vec<String>,
    pub(super) fields: Vec<String>,
    pub(super) trailers: Vec<String>,
    pub(super) body: String,
    pub(super) error: Option<String>,
    pub(super) page: bool,
    pub(super) tunnel: Option<String>,
    pub(super) close: bool,
    pub(super) closed: bool,
}

/// What an origin was asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) fields: Vec<String>,
    pub(super) body: usize,
    pub(super) trailers: Vec<String>,
}

/// The template with what stands in braces replaced, where it is known.
pub(super) fn expand(template: &str, known: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        match known(name).or_else(|| computed(name)) {
            Some(value) => {
                text.push_str(&value);
                rest = behind;
            }
            None => {
                text.push('{');
                rest = after;
            }
        }
    }
    text + rest
}

/// `t-60`, `v*827`
fn computed(name: &str) -> Option<String> {
    if let Some((what, times)) = name.split_once('*') {
        return Some(what.repeat(times.parse().ok()?));
    }
    let seconds: i64 = name.strip_prefix('t')?.parse().ok()?;
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let now = SystemTime::now();
    let time = match seconds < 0 {
        true => now - distance,
        false => now + distance,
    };
    Some(httpdate::fmt_http_date(time))
}

/// In the record, a character is an octet.
pub(super) fn octets(text: &str) -> Vec<u8> {
    let octet = |c: char| u8::try_from(c).expect("the record holds octets");
    text.chars().map(octet).collect()
}
