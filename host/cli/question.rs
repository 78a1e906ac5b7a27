//! Requests that somebody writes down to ask about them.

use crate::http::{Fields, Form, Target, is_token, is_value};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::Method;

/// `GET`
pub(super) fn method(text: &str) -> anyhow::Result<Method> {
    text.parse()
        .with_context(|| format!("`{text}` is not a method"))
}

/// `http://host/path`; for CONNECT, `host:port`.
pub(super) fn target(method: &Method, url: &str) -> anyhow::Result<Target> {
    if let Some(odd) = url.chars().find(|c| c.is_control() || *c == ' ') {
        bail!("`{url}`: {odd:?} cannot be in there");
    }
    let text = Bytes::copy_from_slice(url.as_bytes());
    match Target::parse(method, &text) {
        Ok(Form::Proxy(target)) => Ok(target),
        Ok(Form::Own(_)) => bail!("`{url}`: write it in full, http://host/path"),
        Err(error) => bail!("`{url}`: {error}"),
    }
}

/// One more line, `User-Agent: curl`.
pub(super) fn push_field(fields: &mut Fields, line: &str) -> anyhow::Result<()> {
    let split = line
        .split_once(':')
        .map(|(name, value)| (name.trim(), value.trim()));
    match split {
        Some((name, value)) if is_token(name.as_bytes()) && is_value(value.as_bytes()) => {
            fields.push(name.to_owned(), value.to_owned());
            Ok(())
        }
        _ => bail!("`{line}` is not a field: `Name: value`"),
    }
}
