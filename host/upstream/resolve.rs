//! Names to addresses: /etc/hosts, then DNS, each answer kept for its time.

use super::Resolved;
use crate::config::Settings;
use crate::http::Host;
use anyhow::Context as _;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Dns, NetError};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// Finds out addresses, and remembers them. Where it has been asked first is where it works: each
/// runtime has its own.
#[derive(Debug)]
pub struct Resolver {
    dns: TokioResolver,
    /// Not the library's: it asks servers for the family that the file does not have.
    hosts: HashMap<String, Vec<IpAddr>>,
    timeout: Duration,
}

/// A name has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// NXDOMAIN
    #[error("there is no such name")]
    NoSuchName,
    /// NODATA
    #[error("the name has no address")]
    NoAddress,
    /// `dns_timeout` is over.
    #[error("no name server answered in time")]
    Timeout,
    /// SERVFAIL and everything else.
    #[error("{0}")]
    Failed(String),
}

impl Resolver {
    /// # Errors
    /// The system's resolver settings cannot be read.
    pub fn new(settings: &Settings) -> anyhow::Result<Resolver> {
        let mut builder = if settings.dns_nameservers.is_empty() {
            TokioResolver::builder_tokio().context("/etc/resolv.conf cannot be understood")?
        } else {
            let servers = settings.dns_nameservers.iter().map(|server| {
                let mut udp = ConnectionConfig::udp();
                let mut tcp = ConnectionConfig::tcp();
                udp.port = server.port();
                tcp.port = server.port();
                NameServerConfig::new(server.ip(), true, vec![udp, tcp])
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = 10_000;
        options.positive_max_ttl = Some(settings.positive_dns_ttl);
        options.negative_max_ttl = Some(settings.negative_dns_ttl);
        let dns = builder
            .build()
            .context("the DNS resolver cannot be set up")?;
        Ok(Resolver {
            dns,
            hosts: hosts(settings),
            timeout: settings.dns_timeout,
        })
    }

    /// The host's addresses; itself, where it is one.
    pub async fn addresses(&self, host: &Host) -> Resolved {
        match host {
            Host::Address(address) => Ok(Arc::from([*address])),
            Host::Name(name) => self.lookup(name).await.map(Arc::from),
        }
    }

    /// A name's addresses, IPv6 and IPv4. The name is taken as a whole: no search domain is
    /// tried (squid's `dns_defnames off`).
    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, DnsError> {
        // RFC 6761 §6.3: whatever anybody's name servers say.
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
        }
        if let Some(addresses) = self.hosts.get(name) {
            return Ok(addresses.clone());
        }
        let lookup = self.dns.lookup_ip(format!("{name}."));
        let found = tokio::time::timeout(self.timeout, lookup).await;
        let found = found
            .map_err(|_| DnsError::Timeout)?
            .map_err(|error| understood(&error))?;
        let addresses: Vec<IpAddr> = found.iter().map(|address| address.to_canonical()).collect();
        match addresses.is_empty() {
            true => Err(DnsError::NoAddress),
            false => Ok(addresses),
        }
    }
}

/// hosts(5)
fn hosts(settings: &Settings) -> HashMap<String, Vec<IpAddr>> {
    let path = &settings.hosts_file;
    let text = std::fs::read(path).unwrap_or_else(|error| {
        tracing::warn!("no hosts file {}: {error}", path.display());
        Vec::new()
    });
    let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in String::from_utf8_lossy(&text).lines() {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        // An address with a zone is no IpAddr.
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else {
            continue;
        };
        for name in words {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            hosts.entry(name).or_default().push(address.to_canonical());
        }
    }
    for addresses in hosts.values_mut() {
        addresses.sort_by_key(IpAddr::is_ipv4);
    }
    hosts
}

fn understood(error: &NetError) -> DnsError {
    match error {
        NetError::Timeout => DnsError::Timeout,
        NetError::Dns(Dns::NoRecordsFound(none)) => {
            use hickory_resolver::proto::op::ResponseCode;
            match none.response_code {
                ResponseCode::NXDomain => DnsError::NoSuchName,
                ResponseCode::NoError => DnsError::NoAddress,
                code => DnsError::Failed(format!("the name server answered: {code}")),
            }
        }
        NetError::Dns(Dns::ResponseCode(code)) => {
            DnsError::Failed(format!("the name server answered: {code}"))
        }
        error => DnsError::Failed(error.to_string()),
    }
}
