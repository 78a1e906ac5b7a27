//! TCP connections, to the first of several addresses that answers (RFC 8305).

use crate::config::Settings;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// RFC 8305 §5: how long an attempt is waited for before the next address is tried beside it.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// No connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is the proxy's own.
    #[error("the address is the proxy's own")]
    Loop,
    /// Nothing answered.
    #[error("{reason}")]
    Failed {
        /// What the system says of the last attempt.
        reason: String,
        /// Whether it was time that ran out.
        timeout: bool,
        /// The address that was tried last.
        address: Option<IpAddr>,
    },
}

/// Connects to the first of the addresses that answers.
pub(super) async fn any(
    addresses: &[IpAddr],
    port: u16,
    settings: &Settings,
    ourselves: &[SocketAddr],
) -> Result<TcpStream, ConnectError> {
    let attempts = attempts(addresses, port, settings, ourselves);
    match timeout(settings.forward_timeout, attempts).await {
        Ok(result) => result,
        Err(_) => Err(timed_out(settings.forward_timeout, None)),
    }
}

async fn attempts(
    addresses: &[IpAddr],
    port: u16,
    settings: &Settings,
    ourselves: &[SocketAddr],
) -> Result<TcpStream, ConnectError> {
    let one = |ip| one(SocketAddr::new(ip, port), settings, ourselves);
    let mut waiting = interleaved(addresses).into_iter();
    let mut running = FuturesUnordered::new();
    running.extend(waiting.next().map(one));
    let mut last = ConnectError::Failed {
        reason: "it has no address".into(),
        timeout: false,
        address: None,
    };
    loop {
        let answer = tokio::select! {
            answer = running.next() => answer,
            () = sleep(ATTEMPT_DELAY), if waiting.len() > 0 => {
                running.extend(waiting.next().map(one));
                continue;
            }
        };
        match answer {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(ConnectError::Loop)) => return Err(ConnectError::Loop),
            Some(Err(error)) => {
                last = error;
                // RFC 8305 §5: the next at once.
                running.extend(waiting.next().map(one));
            }
            None => return Err(last),
        }
    }
}

async fn one(
    address: SocketAddr,
    settings: &Settings,
    ourselves: &[SocketAddr],
) -> Result<TcpStream, ConnectError> {
    let stream = match timeout(settings.connect_timeout, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return Err(ConnectError::Failed {
                timeout: error.kind() == io::ErrorKind::TimedOut,
                address: Some(address.ip()),
                reason: format!("{}: {}", address.ip(), words(&error)),
            });
        }
        Err(_) => return Err(timed_out(settings.connect_timeout, Some(address.ip()))),
    };
    if is_ourselves(&stream, ourselves) {
        return Err(ConnectError::Loop);
    }
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Whether the connection has come out at one of the proxy's own listeners: a connection from a
/// machine to itself has the same address on both ends, unless it is a loopback one.
fn is_ourselves(stream: &TcpStream, ourselves: &[SocketAddr]) -> bool {
    let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else {
        return false;
    };
    let (here, there) = (local.ip().to_canonical(), peer.ip().to_canonical());
    (here == there || there.is_loopback())
        && ourselves.iter().any(|listener| {
            let ip = listener.ip().to_canonical();
            listener.port() == peer.port() && (ip.is_unspecified() || ip == there)
        })
}

/// Families in turn, the first address's family first (RFC 8305 §4).
fn interleaved(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let family = addresses.first().is_some_and(IpAddr::is_ipv6);
    let of = |v6: bool| {
        addresses
            .iter()
            .copied()
            .filter(move |ip| ip.is_ipv6() == v6)
    };
    let (mut first, mut second) = (of(family), of(!family));
    let mut turns = Vec::with_capacity(addresses.len());
    while turns.len() < addresses.len() {
        turns.extend(first.next());
        turns.extend(second.next());
    }
    turns
}

fn timed_out(limit: Duration, address: Option<IpAddr>) -> ConnectError {
    ConnectError::Failed {
        reason: format!("no answer within {limit:?}"),
        timeout: true,
        address,
    }
}

/// What the system says, without its number.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::HostUnreachable => "no route to host".into(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".into(),
        io::ErrorKind::TimedOut => "no answer".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let addresses = ["::1", "::2", "::3", "10.0.0.1", "10.0.0.2"].map(ip);
        let turns = interleaved(&addresses);
        assert_eq!(turns, ["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"].map(ip));
        assert_eq!(interleaved(&[]), [] as [IpAddr; 0]);
    }
}
