//! Settings as they are written: every key optional, every value with its place.

use super::units::{Size, Span};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// `wproxy.toml`. Keys are squid's directives where squid has one; their defaults stand in
/// [`super::Settings`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    pub(super) http_port: Option<Vec<Spanned<String>>>,
    pub(super) workers: Option<Spanned<usize>>,
    pub(super) visible_hostname: Option<Spanned<String>>,
    pub(super) unique_hostname: Option<Spanned<String>>,
    pub(super) cache_mgr: Option<String>,
    pub(super) control_socket: Option<Spanned<String>>,
    pub(super) via: Option<bool>,
    pub(super) forwarded_for: Option<super::ForwardedFor>,
    pub(super) http_upgrade_request_protocols: Option<Vec<String>>,

    pub(super) dns_nameservers: Option<Vec<Spanned<String>>>,
    pub(super) hosts_file: Option<std::path::PathBuf>,
    pub(super) dns_timeout: Option<Span>,
    pub(super) positive_dns_ttl: Option<Span>,
    pub(super) negative_dns_ttl: Option<Span>,
    pub(super) tls_outgoing_cafile: Option<Spanned<std::path::PathBuf>>,

    pub(super) connect_timeout: Option<Span>,
    pub(super) forward_timeout: Option<Span>,
    pub(super) read_timeout: Option<Span>,
    pub(super) write_timeout: Option<Span>,
    pub(super) request_start_timeout: Option<Span>,
    pub(super) request_timeout: Option<Span>,
    pub(super) client_idle_pconn_timeout: Option<Span>,
    pub(super) server_idle_pconn_timeout: Option<Span>,
    pub(super) client_lifetime: Option<Span>,
    pub(super) shutdown_lifetime: Option<Span>,
    pub(super) half_closed_clients: Option<bool>,

    pub(super) request_header_max_size: Option<Spanned<Size>>,
    pub(super) reply_header_max_size: Option<Spanned<Size>>,

    pub(super) cache_mem: Option<Size>,
    pub(super) maximum_object_size_in_memory: Option<Size>,
    pub(super) cache_dir: Option<std::path::PathBuf>,
    pub(super) cache_dir_size: Option<Size>,
    pub(super) maximum_object_size: Option<Size>,
    pub(super) collapsed_forwarding: Option<bool>,
    pub(super) offline_mode: Option<bool>,
    pub(super) max_stale: Option<Span>,
    pub(super) targeted_cache_control: Option<Vec<String>>,
    pub(super) quick_abort_min: Option<Size>,
    pub(super) quick_abort_max: Option<Size>,
    pub(super) quick_abort_pct: Option<Spanned<u8>>,

    pub(super) access_log: Option<Spanned<String>>,
    pub(super) logformat: Option<super::LogFormat>,
    pub(super) strip_query_terms: Option<bool>,
    pub(super) log_request_id: Option<bool>,
    pub(super) explain_requests: Option<Spanned<usize>>,
    pub(super) explain_mem: Option<Size>,

    pub(super) plugin_dir: Option<std::path::PathBuf>,
    pub(super) sets: super::WrittenSets,
    pub(super) shadow: super::shadow::WrittenShadow,
    pub(super) helpers: super::helpers::WrittenHelpers,
    pub(super) plugins: BTreeMap<String, toml::Table>,
}
