//! The manager: the proxy's own pages, under the names that squid's have, for squidclient and curl.
//!
//! Reached as `cache_object://host/page` or `/squid-internal-mgr/page`; who may is policy, as for
//! everything else (`acl manager proto cache_object`).

use crate::app::App;
use crate::client::Client;
use crate::config::Settings;
use crate::error::Failure;
use crate::http::{Host, Scheme, Target};
use crate::log::Code;
use crate::respond::{Hooks, Reply};
use crate::transaction::Transaction;
use bytes::Bytes;
use http::Method;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// The prefix of the manager's paths.
const PREFIX: &[u8] = b"/squid-internal-mgr/";

/// Name, description, contents.
type Page = (&'static str, &'static str, fn(&App) -> String);

const PAGES: &[Page] = &[
    ("menu", "This list", |_| menu()),
    ("info", "What runs here, for how long and how much", info),
    ("counters", "Requests by code", counters),
    (
        "plugins",
        "The plugin generation that serves, with rules in order",
        plugins,
    ),
    ("metrics", "Counters for Prometheus", |app| {
        let serving = app.generation();
        app.metrics.text(
            &app.cache.stats(),
            serving.helpers(),
            app.generations.count(),
        )
    }),
];

/// The manager's page, as `/info`, that a path of the proxy's own means.
pub fn page(path: &[u8]) -> Option<Bytes> {
    let page = path.strip_prefix(PREFIX)?;
    Some([b"/", page].concat().into())
}

/// What is asked for: `http://` to the proxy itself, for the manager, is as `cache_object://`.
/// `local` is the address that the client is connected to.
pub fn target(settings: &Settings, local: SocketAddr, target: Target) -> Target {
    match page(&target.path) {
        Some(path) if is_ourselves(settings, local, &target) => {
            Target::new(Scheme::CacheObject, target.host, target.port, path)
        }
        _ => target,
    }
}

/// Whether the target is the proxy itself: its name, or the address that the client is connected
/// to. Others of its addresses are recognised when they are connected to.
pub fn is_ourselves(settings: &Settings, local: SocketAddr, target: &Target) -> bool {
    let host = match &target.host {
        Host::Address(address) => *address == local.ip(),
        Host::Name(name) => name.eq_ignore_ascii_case(&settings.visible_hostname),
    };
    host && target.port == local.port()
}

/// Serves an admitted request for one of them.
pub async fn serve(
    app: &App,
    transaction: &mut Transaction,
    client: &mut Client,
) -> Result<(), Failure> {
    let request = transaction.request.clone();
    let path = request.target.path_text();
    let name = path
        .split('?')
        .next()
        .unwrap_or_default()
        .trim_start_matches('/');
    let no_such_page = || Failure::NoSuchPage(path.clone());
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(no_such_page());
    }
    let page = PAGES.iter().find(|(page, ..)| *page == name);
    let (.., contents) = page.ok_or_else(no_such_page)?;
    transaction.entry.outcome.code = Code::Miss;
    let reply = Reply::text(contents(app));
    client
        .responder
        .reply(app, transaction, reply, Hooks::Asked)
        .await
}

fn menu() -> String {
    let lines = PAGES
        .iter()
        .map(|(name, what, _)| format!(" {name:<10}\t{what}\n"));
    lines.collect()
}

fn info(app: &App) -> String {
    let settings = &app.settings;
    format!(
        "wproxy {}\nVisible hostname: {}\nUptime: {} seconds\nWorkers: {}\n\
         Plugin generation: {}\nGenerations alive: {}\nReloads: {}\nReload failures: {}\n\
         Client connections: {}\nIdle server connections: {}\n\
         Access log lines dropped: {}\nPurged responses: {}\n",
        env!("CARGO_PKG_VERSION"),
        settings.visible_hostname,
        app.uptime().as_secs(),
        settings.workers,
        app.generation().id(),
        app.generations.count(),
        app.metrics.reloads.get(),
        app.metrics.reload_failures.get(),
        app.metrics.connections.get(),
        app.upstreams.idle(),
        app.metrics.access_log_dropped.get(),
        app.metrics.cache_purged.get(),
    ) + &storage(app)
        + &match app.last_reload_failure() {
            Some(failure) => format!("\nThe last reload failed:\n{failure}\n"),
            None => String::new(),
        }
}

fn storage(app: &App) -> String {
    let tiers = app.cache.stats().tiers.into_iter().map(|stats| {
        let (tier, responses) = (stats.tier.as_str(), stats.responses);
        let (octets, budget) = (stats.octets >> 10, stats.budget >> 10);
        format!("Cache in {tier}: {responses} responses, {octets} KB of {budget} KB\n")
    });
    tiers.collect()
}

fn counters(app: &App) -> String {
    let count = |code: Code| (code, app.metrics.requests(code));
    let all: u64 = Code::ALL.map(|code| count(code).1).iter().sum();
    let hits: u64 = Code::ALL
        .iter()
        .filter(|code| code.is_hit())
        .map(|code| count(*code).1)
        .sum();
    let mut text = format!("client_http.requests = {all}\nclient_http.hits = {hits}\n");
    let _ = writeln!(
        text,
        "client_http.kbytes_out = {}",
        app.metrics.sent.get() >> 10
    );
    for (code, requests) in Code::ALL.map(count) {
        let _ = writeln!(text, "{} = {requests}", code.as_str());
    }
    text
}

fn plugins(app: &App) -> String {
    app.generation().describe()
}
