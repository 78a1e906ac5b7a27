//! What a case tells an observer: its `[[completed]]`.

use super::case;
use crate::cli::question;
use crate::config::{Mistake, Source};
use crate::log::Code;
use crate::log::Completed;
use crate::plugin::Rule;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};
use toml::Spanned;

/// A transaction, as far as it is not an ordinary one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct WrittenCompleted {
    request: Option<u64>,
    generation: Option<u64>,
    received: Option<Spanned<String>>,
    /// Milliseconds.
    elapsed: Option<u64>,
    client: Option<IpAddr>,
    method: Option<Spanned<String>>,
    url: Option<String>,
    status: Option<u16>,
    code: Option<Spanned<String>>,
    plugin: Option<String>,
    rule: Option<String>,
    user: Option<String>,
    octets_sent: u64,
    octets_received: u64,
    server: Option<IpAddr>,
    content_type: Option<String>,
    aborted: bool,
    error: Option<String>,
}

/// Those of a case, numbered where they have no numbers.
///
/// # Errors
/// One of them could not be.
pub(super) fn all(
    source: &Source,
    written: &[WrittenCompleted],
) -> Result<Vec<Completed>, Mistake> {
    let numbered = (1001..).zip(written);
    numbered
        .map(|(number, written)| completed(source, number, written))
        .collect()
}

fn completed(
    source: &Source,
    number: u64,
    written: &WrittenCompleted,
) -> Result<Completed, Mistake> {
    let method = match &written.method {
        Some(text) => question::method(text.get_ref())
            .map_err(|error| source.mistake(text.span(), format!("{error:#}")))?,
        None => http::Method::GET,
    };
    let received = match &written.received {
        Some(text) => case::moment(text.get_ref())
            .ok_or_else(|| case::no_moment(source, text.span()))
            .map(Some)?,
        None => case::moment(case::RECEIVED),
    };
    let plugin = written.plugin.as_deref().unwrap_or("access-policy");
    let rule = written.rule.as_deref();
    let rule = rule.map(|text| Rule::new(plugin, text, None));
    Ok(Completed {
        request: Some(written.request.unwrap_or(number)),
        generation: written.generation.unwrap_or(1),
        received: received.map_or(SystemTime::UNIX_EPOCH, |(moment, _)| moment),
        elapsed: Duration::from_millis(written.elapsed.unwrap_or_default()),
        client: written.client.unwrap_or(Ipv4Addr::LOCALHOST.into()),
        method: Some(method),
        uri: written
            .url
            .as_deref()
            .unwrap_or("http://example.com/")
            .into(),
        status: written.status.unwrap_or(200),
        code: match &written.code {
            Some(text) => code(source, text)?,
            None => Code::Miss,
        },
        rule,
        user: written.user.as_deref().map(Into::into),
        sent: written.octets_sent,
        received_octets: written.octets_received,
        server: written.server,
        content_type: written.content_type.as_deref().map(Into::into),
        aborted: written.aborted,
        error: written.error.clone().map(Into::into),
    })
}

fn code(source: &Source, written: &Spanned<String>) -> Result<Code, Mistake> {
    let mut codes = Code::ALL.into_iter();
    let named = codes.find(|code| code.as_str() == written.get_ref());
    named.ok_or_else(|| {
        let codes = Code::ALL.map(Code::as_str).join(", ");
        let mistake = source.mistake(written.span(), "not a code of the access log");
        mistake.help(format!("there are: {codes}"))
    })
}
