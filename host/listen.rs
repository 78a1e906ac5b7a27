//! Listening sockets.

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// Connections that the kernel may hold until they are accepted.
const BACKLOG: i32 = 4096;

/// Binds every address, or none.
///
/// # Errors
/// The first that cannot be bound, and what to do about it.
pub fn bind(addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let bind = |address: &SocketAddr| bind_one(*address).map_err(|error| explain(*address, &error));
    addresses.iter().map(bind).collect()
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    ) {
        // A machine without IPv6: every address is every IPv4 address.
        Err(error) if is_any_ipv6(address) && error.raw_os_error().is_some() => {
            return bind_one((Ipv4Addr::UNSPECIFIED, address.port()).into());
        }
        socket => socket?,
    };
    if address.is_ipv6() {
        socket.set_only_v6(!is_any_ipv6(address))?;
    }
    // To start again while connections of the run before linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether this machine has that address.
pub fn is_local(address: IpAddr) -> bool {
    !address.is_unspecified() && UdpSocket::bind((address, 0)).is_ok()
}

fn is_any_ipv6(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

fn explain(address: SocketAddr, error: &io::Error) -> anyhow::Error {
    let port = address.port();
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program listens there: `ss -ltnp 'sport = :{port}'` shows which; stop it, or \
             listen elsewhere with --listen or http_port"
        ),
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address: `ip address` shows which it has".into()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are for root: choose another, or grant CAP_NET_BIND_SERVICE".into()
        }
        _ => error.to_string(),
    };
    anyhow::anyhow!("{advice}").context(format!("cannot listen at {address}"))
}

/// Lets the process have as many files open as it may ever have: each connection is one or two.
///
/// # Errors
/// What the kernel says.
pub fn raise_file_limit() -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).context("the limit of open files cannot be raised")
}
