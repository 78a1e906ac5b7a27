//! Settings as they are used: checked, with squid's defaults.

use super::source::{Mistake, Source, within};
use super::units::{Size, Span};
use super::written::Written;
use serde::Deserialize;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// What the proxy runs with. Each field is the squid directive of that name, with its default,
/// or, where the documented configuration says otherwise, with that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen; default port 8080 of every address, IPv6 and IPv4.
    pub http_port: Vec<SocketAddr>,
    /// Threads that serve; default one for each processor.
    pub workers: usize,
    /// The proxy's name in Via, X-Cache, Cache-Status and error pages; default `none`.
    pub visible_hostname: String,
    /// The name by which a proxy knows its own Via; default `visible_hostname`.
    pub unique_hostname: String,
    /// Whom error pages say to ask; default `webmaster`.
    pub cache_mgr: String,
    /// Where commands reach the running proxy; default a folder for what runs, see
    /// [`crate::control::path`]. No directive of squid's.
    pub control_socket: ControlSocket,
    /// Whether Via is put on (RFC 9110 §7.6.3); default yes.
    pub via: bool,
    /// What becomes of X-Forwarded-For; default off.
    pub forwarded_for: ForwardedFor,
    /// Protocols that a client may switch to with Upgrade; default `websocket`.
    pub http_upgrade_request_protocols: Vec<String>,

    /// Name servers; default those of resolv.conf.
    pub dns_nameservers: Vec<SocketAddr>,
    /// Names that need no server; default /etc/hosts.
    pub hosts_file: PathBuf,
    /// How long a look-up may take; default 30 s.
    pub dns_timeout: Duration,
    /// How long an answer is used at most, whatever its TTL; default 6 hours.
    pub positive_dns_ttl: Duration,
    /// How long a failure is remembered at most; default 1 minute.
    pub negative_dns_ttl: Duration,
    /// Whom to trust about origins of `https`; default the system's certificates.
    pub tls_outgoing_cafile: Option<PathBuf>,

    /// How long one connection attempt may take; default 1 minute.
    pub connect_timeout: Duration,
    /// How long all attempts for one request may take; default 4 minutes.
    pub forward_timeout: Duration,
    /// How long a server, or a client sending a body, may be silent; default 15 minutes.
    pub read_timeout: Duration,
    /// How long the other side may take nothing; default 15 minutes.
    pub write_timeout: Duration,
    /// How long a new connection may send nothing; default 5 minutes.
    pub request_start_timeout: Duration,
    /// How long the rest of a header section may take to come; default 5 minutes.
    pub request_timeout: Duration,
    /// How long a client's connection may wait for its next request; default 2 minutes.
    pub client_idle_pconn_timeout: Duration,
    /// How long a server's connection is kept for the next request; default 1 minute.
    pub server_idle_pconn_timeout: Duration,
    /// How long a client's connection may live; default 1 day.
    pub client_lifetime: Duration,
    /// How long running requests may take to end after SIGTERM; default 30 s.
    pub shutdown_lifetime: Duration,
    /// Whether a client that has ended its sending side is served on; default no.
    pub half_closed_clients: bool,

    /// Octets of a request's header section; default 64 KB.
    pub request_header_max_size: usize,
    /// Octets of a response's header section; default 50 KB, as documented.
    pub reply_header_max_size: usize,

    /// Octets of memory for cached responses; default 128 MB, as documented.
    pub cache_mem: u64,
    /// Octets of the largest response that memory holds; default 512 KB.
    pub maximum_object_size_in_memory: u64,
    /// Where responses are kept on the disk.
    pub cache_dir: CacheDir,
    /// Octets of the disk for them; default 600 MB, as documented.
    pub cache_dir_size: u64,
    /// Octets of the largest response that is stored; default 4 MB.
    pub maximum_object_size: u64,
    /// Whether one request goes to the origin for many at a time; default yes, unlike squid's.
    pub collapsed_forwarding: bool,
    /// Whether stale responses are served without asking; default no.
    pub offline_mode: bool,
    /// For how long after its end of freshness a response may stand in where the origin fails;
    /// default 1 week.
    pub max_stale: Duration,
    /// Fields of which the first that is there stands in place of Cache-Control (RFC 9213 §2.2), as
    /// CDN-Cache-Control; default none.
    pub targeted_cache_control: Vec<String>,
    /// A response whose client has gone is received to its end where no more octets than this are
    /// missing; default 16 KB.
    pub quick_abort_min: u64,
    /// And never where more than this are; default 16 KB.
    pub quick_abort_max: u64,
    /// Between the two, where more than so many percent of it have come; default 95.
    pub quick_abort_pct: u8,

    /// Where the access log goes; default standard output.
    pub access_log: LogTarget,
    /// What its lines look like; default squid's native format.
    pub logformat: LogFormat,
    /// Whether query terms are left out of it; default yes.
    pub strip_query_terms: bool,
    /// Whether lines of squid's and Apache's format end in the request's number, as those of JSON
    /// have it in any case; default no. No directive of squid's.
    pub log_request_id: bool,
    /// How many requests are remembered for `wproxy explain --id`; default 1000. No directive of
    /// squid's.
    pub explain_requests: usize,
    /// Octets that they may take; default 8 MB. No directive of squid's.
    pub explain_mem: u64,
}

/// Where responses are kept on the disk (squid directive `cache_dir`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheDir {
    /// `none`: in memory alone.
    None,
    /// In the usual place, if that can be had.
    Usual,
    /// There, and nowhere else.
    At(PathBuf),
}

/// What becomes of X-Forwarded-For (squid directive `forwarded_for`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForwardedFor {
    /// The client's address is added.
    On,
    /// `unknown` is added.
    Off,
    /// It is not touched.
    Transparent,
    /// It is replaced by the client's address.
    Truncate,
    /// It is removed.
    Delete,
}

/// Where the control socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlSocket {
    /// Where the system keeps such things; nowhere if another proxy has it.
    Default,
    /// `none`
    None,
    /// There, and the proxy does not start without it.
    At(PathBuf),
}

/// What the access log's lines look like (squid directive `logformat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// squid's native format.
    Squid,
    /// Apache's combined format, squid's code at its end.
    Combined,
    /// One JSON object a line, with the plugin generation and the rule that decided.
    Json,
}

/// Where the access log goes (squid directive `access_log`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// `none`
    None,
    /// `stdout`
    Stdout,
    /// A file, opened anew on SIGUSR1.
    File(PathBuf),
}

const DEFAULT_PORT: u16 = 8080;

// === impl Settings ===

impl Settings {
    pub(super) fn from_written(
        written: Written,
        source: &Source,
        listen: &[String],
    ) -> Result<Settings, Mistake> {
        let seconds = |seconds| Span(Duration::from_secs(seconds));
        let span = |value: Option<Span>, default: u64| value.unwrap_or(seconds(default)).0;
        let visible_hostname = hostname(written.visible_hostname, source)?;
        let visible_hostname = visible_hostname.unwrap_or_else(|| "none".to_owned());
        let unique_hostname = hostname(written.unique_hostname, source)?;
        Ok(Settings {
            http_port: http_port(written.http_port, source, listen)?,
            workers: workers(written.workers.as_ref(), source)?,
            unique_hostname: unique_hostname.unwrap_or_else(|| visible_hostname.clone()),
            visible_hostname,
            cache_mgr: written.cache_mgr.unwrap_or_else(|| "webmaster".to_owned()),
            control_socket: control_socket(written.control_socket, source)?,
            via: written.via.unwrap_or(true),
            forwarded_for: written.forwarded_for.unwrap_or(ForwardedFor::Off),
            http_upgrade_request_protocols: written
                .http_upgrade_request_protocols
                .unwrap_or_else(|| vec!["websocket".to_owned()]),
            dns_nameservers: nameservers(written.dns_nameservers, source)?,
            hosts_file: written.hosts_file.unwrap_or_else(|| "/etc/hosts".into()),
            dns_timeout: span(written.dns_timeout, 30),
            positive_dns_ttl: span(written.positive_dns_ttl, 6 * 3600),
            negative_dns_ttl: span(written.negative_dns_ttl, 60),
            tls_outgoing_cafile: existing(written.tls_outgoing_cafile, source)?,
            connect_timeout: span(written.connect_timeout, 60),
            forward_timeout: span(written.forward_timeout, 4 * 60),
            read_timeout: span(written.read_timeout, 15 * 60),
            write_timeout: span(written.write_timeout, 15 * 60),
            request_start_timeout: span(written.request_start_timeout, 5 * 60),
            request_timeout: span(written.request_timeout, 5 * 60),
            client_idle_pconn_timeout: span(written.client_idle_pconn_timeout, 2 * 60),
            server_idle_pconn_timeout: span(written.server_idle_pconn_timeout, 60),
            client_lifetime: span(written.client_lifetime, 86_400),
            shutdown_lifetime: span(written.shutdown_lifetime, 30),
            half_closed_clients: written.half_closed_clients.unwrap_or(false),
            request_header_max_size: header_size(
                written.request_header_max_size.as_ref(),
                64,
                source,
            )?,
            reply_header_max_size: header_size(written.reply_header_max_size.as_ref(), 50, source)?,
            cache_mem: written.cache_mem.unwrap_or(Size(128 << 20)).0,
            maximum_object_size_in_memory: written
                .maximum_object_size_in_memory
                .unwrap_or(Size(512 << 10))
                .0,
            cache_dir: match written.cache_dir {
                None => CacheDir::Usual,
                Some(path) if path.as_os_str() == "none" => CacheDir::None,
                Some(path) => CacheDir::At(path),
            },
            cache_dir_size: written.cache_dir_size.unwrap_or(Size(600 << 20)).0,
            maximum_object_size: written.maximum_object_size.unwrap_or(Size(4 << 20)).0,
            collapsed_forwarding: written.collapsed_forwarding.unwrap_or(true),
            offline_mode: written.offline_mode.unwrap_or(false),
            max_stale: span(written.max_stale, 7 * 86_400),
            targeted_cache_control: written.targeted_cache_control.unwrap_or_default(),
            quick_abort_min: written.quick_abort_min.unwrap_or(Size(16 << 10)).0,
            quick_abort_max: written.quick_abort_max.unwrap_or(Size(16 << 10)).0,
            quick_abort_pct: percent(written.quick_abort_pct.as_ref(), 95, source)?,
            access_log: access_log(written.access_log, source)?,
            logformat: written.logformat.unwrap_or(LogFormat::Squid),
            strip_query_terms: written.strip_query_terms.unwrap_or(true),
            log_request_id: written.log_request_id.unwrap_or(false),
            explain_requests: explain_requests(written.explain_requests.as_ref(), source)?,
            explain_mem: written.explain_mem.unwrap_or(Size(8 << 20)).0,
        })
    }
}

fn percent(written: Option<&Spanned<u8>>, default: u8, source: &Source) -> Result<u8, Mistake> {
    within(
        written,
        default,
        0..=100,
        "a percentage is at most 100",
        source,
    )
    .map_err(|mistake| mistake.help("a percentage is from 0 to 100"))
}

const LISTEN_USAGE: &str = "write a port, as 8080, or an address and a port, as 10.0.1.11:8080 or \
                            [2001:db8::1]:8080";

fn http_port(
    written: Option<Vec<Spanned<String>>>,
    source: &Source,
    listen: &[String],
) -> Result<Vec<SocketAddr>, Mistake> {
    if !listen.is_empty() {
        let texts: Vec<&str> = listen.iter().map(String::as_str).collect();
        let wrong = |at: usize, what| Mistake::new(format!("--listen {}: {what}", texts[at]));
        return listen_addresses(&texts, wrong);
    }
    let Some(written) = written else {
        return Ok(vec![(Ipv6Addr::UNSPECIFIED, DEFAULT_PORT).into()]);
    };
    if written.is_empty() {
        let mistake = Mistake::new("http_port is empty: there is nowhere to listen");
        return Err(mistake.help(LISTEN_USAGE));
    }
    let texts: Vec<&str> = written.iter().map(|text| text.get_ref().as_str()).collect();
    listen_addresses(&texts, |at, what| source.mistake(written[at].span(), what))
}

/// Their addresses; `wrong` makes the mistake in the one of that number.
fn listen_addresses(
    texts: &[&str],
    wrong: impl Fn(usize, String) -> Mistake,
) -> Result<Vec<SocketAddr>, Mistake> {
    let mut addresses: Vec<SocketAddr> = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let address = listen_address(text)
            .ok_or_else(|| wrong(at, "not an address to listen at".into()).help(LISTEN_USAGE))?;
        if let Some(other) = addresses.iter().position(|other| overlap(*other, address)) {
            let help = "leave one of them out: a port alone is every address, IPv6 and IPv4";
            return Err(wrong(at, format!("`{}` listens there already", texts[other])).help(help));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// Whether the two cannot be listened at both. `[::]` is IPv4, too.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let covers =
        |any: IpAddr, other: IpAddr| any.is_unspecified() && (any.is_ipv6() || other.is_ipv4());
    let (port, a, b) = (a.port() == b.port() && a.port() != 0, a.ip(), b.ip());
    port && (a == b || covers(a, b) || covers(b, a))
}

fn listen_address(text: &str) -> Option<SocketAddr> {
    match text.parse::<u16>() {
        Ok(port) => Some((Ipv6Addr::UNSPECIFIED, port).into()),
        Err(_) => text.parse().ok(),
    }
}

fn workers(written: Option<&Spanned<usize>>, source: &Source) -> Result<usize, Mistake> {
    let default = std::thread::available_parallelism().map_or(1, usize::from);
    let message = "there can be 1 to 512 workers";
    within(written, default, 1..=512, message, source)
}

fn explain_requests(written: Option<&Spanned<usize>>, source: &Source) -> Result<usize, Mistake> {
    let message = "1000000 requests can be remembered at most";
    within(written, 1000, 0..=1_000_000, message, source)
}

/// A name that can stand in Via and X-Cache.
fn hostname(written: Option<Spanned<String>>, source: &Source) -> Result<Option<String>, Mistake> {
    let Some(written) = written else {
        return Ok(None);
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if written.get_ref().is_empty() || !written.get_ref().chars().all(allowed) {
        return Err(source
            .mistake(written.span(), "not a host name")
            .help("letters, digits, `-`, `_` and `.` make one"));
    }
    Ok(Some(written.into_inner()))
}

fn nameservers(
    written: Option<Vec<Spanned<String>>>,
    source: &Source,
) -> Result<Vec<SocketAddr>, Mistake> {
    let server = |text: &Spanned<String>| {
        let address = text.get_ref().parse::<IpAddr>().map(|ip| (ip, 53).into());
        address.or_else(|_| text.get_ref().parse()).map_err(|_| {
            source
                .mistake(text.span(), "not the address of a name server")
                .help("write 192.0.2.53 or, with a port, 192.0.2.53:5353")
        })
    };
    written.unwrap_or_default().iter().map(server).collect()
}

fn existing(
    written: Option<Spanned<PathBuf>>,
    source: &Source,
) -> Result<Option<PathBuf>, Mistake> {
    match written {
        Some(path) if !path.get_ref().is_file() => {
            Err(source.mistake(path.span(), "there is no such file"))
        }
        path => Ok(path.map(Spanned::into_inner)),
    }
}

fn header_size(
    written: Option<&Spanned<Size>>,
    default_kb: u64,
    source: &Source,
) -> Result<usize, Mistake> {
    let range = Size(1 << 10)..=Size(64 << 20);
    let message = "a header section has 1 KB to 64 MB";
    within(written, Size(default_kb << 10), range, message, source).map(Size::octets)
}

fn access_log(written: Option<Spanned<String>>, source: &Source) -> Result<LogTarget, Mistake> {
    let Some(written) = written else {
        return Ok(LogTarget::Stdout);
    };
    match written.get_ref().as_str() {
        "none" => Ok(LogTarget::None),
        "stdout" | "-" => Ok(LogTarget::Stdout),
        path if path.starts_with('/') || path.starts_with("./") => Ok(LogTarget::File(path.into())),
        _ => Err(source
            .mistake(written.span(), "not a place for the access log")
            .help("write \"stdout\", \"none\" or a path, as \"/var/log/wproxy/access.log\"")),
    }
}

pub(super) fn control_socket(
    written: Option<Spanned<String>>,
    source: &Source,
) -> Result<ControlSocket, Mistake> {
    // Linux has room for so many octets in a socket's address.
    const LONGEST: usize = 107;
    let Some(written) = written else {
        return Ok(ControlSocket::Default);
    };
    let mistake = |message: String| {
        source
            .mistake(written.span(), message)
            .help("write \"none\" or a path, as \"/run/wproxy/control.sock\"")
    };
    match written.get_ref().as_str() {
        "none" => Ok(ControlSocket::None),
        path if path.len() > LONGEST => Err(mistake(format!(
            "a socket's path has at most {LONGEST} octets, not {}",
            path.len()
        ))),
        // Whoever gives a command stands in another folder.
        path if path.starts_with('/') && !path.ends_with('/') => Ok(ControlSocket::At(path.into())),
        _ => Err(mistake("not a place for the control socket".into())),
    }
}

#[cfg(test)]
mod tests;
