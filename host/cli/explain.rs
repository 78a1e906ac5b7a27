//! `wproxy explain`

use super::{Prepared, Sources, question};
use crate::admit::{Step, decide};
use crate::config::Settings;
use crate::error::Failure;
use crate::helper::Question;
use crate::http::{Fields, Host, RequestHead, Target, Version};
use crate::plugin::Rule;
use crate::transaction::Request;
use crate::{listen, manage};
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
    let host = &request.target.host;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut found_out = String::new();
    let verdict = runtime.block_on(async {
        let tell = |step: Step<'_>| found_out.push_str(&told(host, &step));
        let verdict = decide(&generation, &request, &upstreams, tell).await;
        generation.helpers().close().await;
        verdict
    });
    write!(out, "{found_out}")?;
    let (rule, code) = match verdict {
        Ok(rule) => {
            writeln!(out, "allow")?;
            (Some(rule), ExitCode::SUCCESS)
        }
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

/// What had to be found out, on a line.
fn told(host: &Host, step: &Step<'_>) -> String {
    match step {
        Step::Resolved(Ok(addresses)) => format!("resolve  {host}: {}\n", list(addresses)),
        Step::Resolved(Err(error)) => format!("resolve  {host}: {error}\n"),
        Step::Answered(Question { helper, key }, answer) => {
            format!("lookup   {helper}: {key}: {answer}\n")
        }
    }
}

fn list(addresses: &[IpAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}
