//! Servers: their addresses, connections to them, and those kept for the next request.

mod connect;
mod pool;
mod resolve;
mod tls;

pub use connect::ConnectError;
pub use resolve::{DnsError, Resolver};

use crate::config::Settings;
use crate::error::Failure;
use crate::http::{Host, ReadHalf, Reader, Scheme, Target, WriteHalf, Writer};
use pool::Pool;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tls::Tls;
use tokio::net::TcpStream;

/// A host's addresses, or why it has none.
pub type Resolved = Result<Arc<[IpAddr]>, DnsError>;

/// All that is needed to reach servers.
#[derive(Debug)]
pub struct Upstreams {
    resolver: Resolver,
    pool: Pool,
    tls: Tls,
    settings: Arc<Settings>,
    /// Where the proxy itself listens, once it does.
    ourselves: OnceLock<Vec<SocketAddr>>,
}

/// A server, as far as its connections are interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    host: Host,
    port: u16,
}

/// A connection to a server, for one request at a time.
#[derive(Debug)]
pub struct Upstream {
    /// What it sends.
    pub reader: Reader,
    /// What it is sent.
    pub writer: Writer,
    /// Its address.
    pub peer: SocketAddr,
    /// Whether it has served a request before.
    pub reused: bool,
    origin: Origin,
}

/// Whether a connection that has served before will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// The request can be sent again if the server has closed it meanwhile.
    Welcome,
    /// It must not be sent twice (RFC 9110 §9.2.2).
    Never,
}

// === impl Upstreams ===

impl Upstreams {
    /// # Errors
    /// The system's resolver settings or certificates cannot be read.
    pub fn new(settings: &Arc<Settings>) -> anyhow::Result<Upstreams> {
        Ok(Upstreams {
            resolver: Resolver::new(settings)?,
            pool: Pool::default(),
            tls: Tls::new(settings)?,
            settings: settings.clone(),
            ourselves: OnceLock::new(),
        })
    }

    /// Connections to these addresses would go in a circle.
    pub fn set_ourselves(&self, listeners: Vec<SocketAddr>) {
        let _ = self.ourselves.set(listeners);
    }

    /// Where the proxy itself listens; nowhere before it serves.
    pub fn ourselves(&self) -> &[SocketAddr] {
        self.ourselves.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// The host's addresses; itself, where it is one.
    pub async fn addresses(&self, host: &Host) -> Resolved {
        self.resolver.addresses(host).await
    }

    /// A connection to the target's server, to the approved addresses alone where there are such.
    pub async fn checkout(
        &self,
        target: &Target,
        approved: Option<&Resolved>,
        reuse: Reuse,
    ) -> Result<Upstream, Failure> {
        let origin = Origin {
            secure: target.scheme == Scheme::Https,
            host: target.host.clone(),
            port: target.port,
        };
        if reuse == Reuse::Welcome
            && let Some(upstream) = self.pool.take(&origin, approved.map(list))
        {
            return Ok(upstream);
        }
        let stream = self.connect(target, approved).await?;
        let peer = stream.peer_addr().map_err(|_| closed_at_once(target))?;
        let (reader, writer) = if origin.secure {
            let tls = self
                .tls
                .handshake(stream, target, self.settings.connect_timeout)
                .await?;
            let (reader, writer) = tokio::io::split(Box::new(tls));
            (ReadHalf::Tls(reader), WriteHalf::Tls(writer))
        } else {
            let (reader, writer) = stream.into_split();
            (ReadHalf::Tcp(reader), WriteHalf::Tcp(writer))
        };
        Ok(Upstream {
            reader: Reader::new(reader),
            writer: Writer::new(writer),
            peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
            reused: false,
            origin,
        })
    }

    /// A new TCP connection to the target's server, to the approved addresses alone where there
    /// are such: for tunnels, that is all.
    pub async fn connect(
        &self,
        target: &Target,
        approved: Option<&Resolved>,
    ) -> Result<TcpStream, Failure> {
        let found;
        let resolved = match approved {
            // Looking again could give what policy has not seen.
            Some(approved) => approved,
            None => {
                found = self.addresses(&target.host).await;
                &found
            }
        };
        let addresses = resolved.as_ref().map_err(|error| Failure::Dns {
            host: target.host.to_string(),
            reason: error.to_string(),
        })?;
        let ourselves = self.ourselves();
        let attempts = connect::any(addresses, target.port, &self.settings, ourselves);
        let stream = attempts.await.map_err(|error| match error {
            ConnectError::Loop => Failure::Loop,
            ConnectError::Failed {
                reason,
                timeout,
                address,
            } => Failure::Connect {
                server: target.server(),
                reason,
                timeout,
                address,
            },
        })?;
        Ok(stream)
    }

    /// Keeps a connection for the next request: the response before has been read to its end.
    pub fn checkin(&self, mut upstream: Upstream) {
        upstream.reused = true;
        upstream.reader.rest();
        self.pool.put(upstream);
    }

    /// Closes connections that have been idle for too long, or that their servers have closed.
    pub fn sweep(&self) {
        self.pool.sweep(self.settings.server_idle_pconn_timeout);
    }

    /// Closes all that wait for a request: the process has run out of files, say.
    pub fn close_idle(&self) {
        self.pool.sweep(Duration::ZERO);
    }

    /// Connections that wait for a request.
    pub fn idle(&self) -> usize {
        self.pool.len()
    }
}

/// The addresses, where there are some.
pub fn list(resolved: &Resolved) -> &[IpAddr] {
    resolved.as_deref().unwrap_or_default()
}

fn closed_at_once(target: &Target) -> Failure {
    Failure::Connect {
        server: target.server(),
        reason: "it closed the connection at once".into(),
        timeout: false,
        address: None,
    }
}
