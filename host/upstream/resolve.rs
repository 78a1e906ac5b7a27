//! Names to addresses: /etc/hosts, then DNS, each answer kept for its time.

use crate::config::Settings;
use anyhow::Context as _;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Dns, NetError};
use hickory_resolver::{Hosts, TokioResolver};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Resolver {
    dns: TokioResolver,
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
    pub(super) fn new(settings: &Settings) -> anyhow::Result<Resolver> {
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
        let mut dns = builder
            .build()
            .context("the DNS resolver cannot be set up")?;
        dns.set_hosts(Arc::new(hosts(settings)?));
        Ok(Resolver {
            dns,
            timeout: settings.dns_timeout,
        })
    }

    /// A name's addresses, IPv6 and IPv4. The name is taken as a whole: no search domain is
    /// tried (squid's `dns_defnames off`).
    pub(super) async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, DnsError> {
        // RFC 6761 §6.3: whatever anybody's name servers say.
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
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

fn hosts(settings: &Settings) -> anyhow::Result<Hosts> {
    let mut hosts = Hosts::default();
    let path = &settings.hosts_file;
    match std::fs::File::open(path) {
        Ok(file) => hosts
            .read_hosts_conf(file)
            .with_context(|| format!("{} cannot be understood", path.display()))?,
        Err(error) => tracing::warn!("no hosts file {}: {error}", path.display()),
    }
    Ok(hosts)
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
