//! `wproxy explain`

mod text;

use super::running::{self, Proxy};
use super::{Prepared, Sources, question};
use crate::admit::Inquiry;
use crate::config::Settings;
use crate::control::{Decision, Explain, Explained, Request as Command};
use crate::generation::{Admission, Explanation, Generation};
use crate::http::{Fields, Host, RequestHead, Target, Version};
use crate::transaction::Request;
use crate::upstream::Upstreams;
use crate::{listen, manage};
use anyhow::bail;
use bytes::Bytes;
use clap::Args;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

/// Whose rules are shown, and for which request.
#[derive(Debug, Args)]
#[command(
    override_usage = "wproxy explain [OPTIONS] --client <IP> <METHOD> <URL>\n       \
                            wproxy explain [OPTIONS] --id <NUMBER>"
)]
pub(super) struct Arguments {
    /// GET, CONNECT, ...
    #[arg(required_unless_present = "id", conflicts_with = "id")]
    method: Option<String>,
    /// http://host/path; for CONNECT, host:port
    #[arg(required_unless_present = "id", conflicts_with = "id")]
    url: Option<String>,
    /// The client's address
    #[arg(
        long,
        value_name = "IP",
        required_unless_present = "id",
        conflicts_with = "id"
    )]
    client: Option<IpAddr>,
    /// A header field of the request, such as `User-Agent: curl`; can be repeated
    #[arg(long, value_name = "FIELD", conflicts_with = "id")]
    header: Vec<String>,
    /// The number of a request that the running proxy has served. It is on the error page, and in
    /// the access log if `logformat` is json or `log_request_id` is on
    #[arg(long, value_name = "NUMBER")]
    id: Option<u64>,
    /// Settings file; by default /etc/wproxy/wproxy.toml if it exists, else the documented
    /// defaults. With --id, the running proxy's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of plugins, in place of plugin_dir in the settings; without either, the built-in ones
    #[arg(long, value_name = "DIR", conflicts_with = "id")]
    plugins: Option<PathBuf>,
    /// With --id: the proxy's control socket, in place of the one in its settings
    #[arg(long, value_name = "PATH", conflicts_with_all = ["config", "method"])]
    socket: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// Prints every rule that is looked at, and the verdict. The exit code says that too: 0 allowed, 2
/// denied.
pub(super) fn explain(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments {
        method,
        url,
        client,
        header,
        id,
        config,
        plugins,
        socket,
        json,
    } = arguments;
    match (id, method, url, client) {
        (Some(id), ..) => {
            let proxy = Proxy {
                socket,
                config,
                json,
            };
            past(id, &proxy)
        }
        (None, Some(method), Some(url), Some(client)) => {
            let sources = Sources { config, plugins };
            let explained = written(&method, &url, client, &header, sources)?;
            running::print(|out| {
                match json {
                    true => writeln!(out, "{}", serde_json::to_string(&explained)?)?,
                    false => write!(out, "{}", text::text(&explained))?,
                }
                Ok(code(&explained))
            })
        }
        _ => bail!("a request is a method, a URL and --client; or it is --id"),
    }
}

/// One that the running proxy has served.
fn past(id: u64, proxy: &Proxy) -> anyhow::Result<ExitCode> {
    running::print(|out| {
        let mut done = ExitCode::FAILURE;
        proxy.ask(
            &Command::Explain(Explain { id }),
            |explained: Explained, line| {
                done = code(&explained);
                match proxy.json {
                    true => writeln!(out, "{line}"),
                    false => write!(out, "{}", text::text(&explained)),
                }
            },
        )?;
        Ok(done)
    })
}

fn code(explained: &Explained) -> ExitCode {
    match explained.verdict.verdict {
        Decision::Allow => ExitCode::SUCCESS,
        Decision::Deny => ExitCode::from(2),
        Decision::Undecided => ExitCode::FAILURE,
    }
}

/// One that somebody has written down, by what the files say.
fn written(
    method: &str,
    url: &str,
    client: IpAddr,
    header: &[String],
    sources: Sources,
) -> anyhow::Result<Explained> {
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let explanation = runtime.block_on(async {
        let explanation = explained(&generation, &request, &upstreams).await;
        generation.helpers().close().await;
        explanation
    });
    // Who wrote the query down may see it.
    let strip_query = false;
    Ok(Explained::of(
        &request,
        &generation,
        &explanation,
        strip_query,
    ))
}

/// What the plugins would do when all is found out that they want to know.
async fn explained(
    generation: &Generation,
    request: &Arc<Request>,
    upstreams: &Arc<Upstreams>,
) -> Explanation {
    let mut inquiry = Inquiry::default();
    loop {
        let mut explanation = generation.explain(request);
        let want = match &explanation.verdict {
            Ok(Admission::NeedsAddresses) => Admission::NeedsAddresses,
            Ok(Admission::NeedsAnswer(question)) => Admission::NeedsAnswer(question.clone()),
            Ok(Admission::Allowed(_)) | Err(_) => return explanation,
        };
        let found = inquiry.find_out(want, generation, request, upstreams);
        if let Err(failure) = found.await {
            explanation.verdict = Err(failure);
            return explanation;
        }
    }
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
