//! `wproxy explain`

use super::{Prepared, Sources, question};
use crate::config::Settings;
use crate::error::Failure;
use crate::generation::Admission;
use crate::http::{Fields, Host, RequestHead, Target, Version};
use crate::plugin::Rule;
use crate::transaction::Request;
use crate::{listen, manage};
use anyhow::bail;
use bytes::Bytes;
use std::io::Write as _;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

/// Prints verdict, rule, file and line. The exit code says the verdict too: 0 allowed, 2 denied.
pub(super) fn explain(
    method: &str,
    url: &str,
    client: IpAddr,
    header: &[String],
    sources: Sources,
) -> anyhow::Result<ExitCode> {
    let (head, target) = question(method, url, header)?;
    let Prepared {
        configuration,
        upstreams,
        generation,
        ..
    } = sources.prepare(Vec::new())?;
    let target = as_served(&configuration.settings, target);
    let received = SystemTime::now();
    let request = Arc::new(Request::new(head, target, (client, 0).into(), received));
    let mut out = anstream::stdout();
    let mut verdict = generation.authorize(&request);
    if let Ok(Admission::NeedsAddresses) = verdict {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let host = &request.target.host;
        let found = runtime.block_on(upstreams.addresses(host));
        match &found {
            Ok(addresses) => writeln!(out, "resolve  {host}: {}", list(addresses))?,
            Err(error) => writeln!(out, "resolve  {host}: {error}")?,
        }
        request.set_addresses(found);
        verdict = generation.authorize(&request);
    }
    let (rule, code) = match verdict {
        Ok(Admission::Allowed(rule)) => {
            writeln!(out, "allow")?;
            (Some(rule), ExitCode::SUCCESS)
        }
        Ok(Admission::NeedsAddresses) => bail!("a plugin asked for addresses that it was given"),
        Err(Failure::Denied { rule, status, .. }) => {
            writeln!(out, "deny     {status}")?;
            (Some(rule), ExitCode::from(2))
        }
        Err(failure) => {
            writeln!(out, "deny     {failure}")?;
            (None, ExitCode::from(2))
        }
    };
    if let Some(Rule {
        plugin,
        text,
        location,
    }) = rule
    {
        writeln!(out, "rule     {text}")?;
        match location {
            Some(location) => writeln!(out, "at       {location}, plugin {plugin}")?,
            None => writeln!(out, "at       plugin {plugin}")?,
        }
    }
    Ok(code)
}

fn question(method: &str, url: &str, header: &[String]) -> anyhow::Result<(RequestHead, Target)> {
    let method = question::method(method)?;
    let target = question::target(&method, url)?;
    let mut fields = Fields::default();
    for line in header {
        question::push_field(&mut fields, line)?;
    }
    let head = RequestHead {
        method,
        target: Bytes::new(),
        version: Version::Http11,
        fields,
    };
    Ok((head, target))
}

/// As a server with these settings understands it: the manager's pages are its own. The client is
/// taken to be connected to what it asks for, where the server would listen at that.
fn as_served(settings: &Settings, target: Target) -> Target {
    let asked = match &target.host {
        Host::Address(address) if listen::is_local(*address) => Some(*address),
        _ => None,
    };
    settings.http_port.iter().fold(target, |target, listener| {
        let covers =
            |ip: &IpAddr| listener.ip().is_unspecified() && (listener.is_ipv6() || ip.is_ipv4());
        let ip = asked.filter(covers).unwrap_or(listener.ip());
        manage::target(settings, (ip, listener.port()).into(), target)
    })
}

fn list(addresses: &[IpAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}
