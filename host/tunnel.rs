//! Tunnels: octets both ways between a client and a server (RFC 9110 §9.3.6).

use crate::app::App;
use crate::client::Client;
use crate::error::Failure;
use crate::http::{ReadHalf, WriteHalf};
use crate::log::Code;
use crate::transaction::{Entry, Transaction};
use crate::upstream::Upstream;
use bytes::BytesMut;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The server's side of a tunnel.
#[derive(Debug)]
pub struct Server {
    reader: ReadHalf,
    writer: WriteHalf,
    /// What has been read of it already.
    early: BytesMut,
}

/// Octets that one read takes at most.
const CHUNK: usize = 64 * 1024;

/// Connects to the server that CONNECT asks for: to what was approved, and nothing else.
pub async fn open(app: &App, transaction: &mut Transaction) -> Result<Server, Failure> {
    let request = transaction.request.clone();
    let approved = request.resolved();
    let stream = app.upstreams.connect(&request.target, approved).await?;
    let peer = stream.peer_addr().ok();
    transaction.entry.outcome.server = peer.map(|peer| peer.ip().to_canonical());
    Ok(Server::from(stream))
}

/// Tells the client that its tunnel stands.
pub async fn accept(
    app: &App,
    transaction: &mut Transaction,
    client: &mut Client,
) -> Result<(), Failure> {
    transaction.entry.outcome.code = Code::Tunnel;
    transaction.entry.outcome.status = 200;
    let writer = &mut client.responder.writer;
    writer.push(b"HTTP/1.1 200 Connection established\r\n\r\n");
    let flushed = writer.flush(app.settings.write_timeout).await;
    flushed.map_err(|_| Failure::ClientGone)
}

/// A tunnel that stands. It holds on to no policy: it may outlive many generations.
#[derive(Debug)]
pub struct Tunnel {
    entry: Entry,
    from_client: ReadHalf,
    to_client: WriteHalf,
    /// What the client has sent already.
    early: BytesMut,
    server: Server,
}

// === impl Tunnel ===

impl Tunnel {
    /// Between these two.
    pub fn new(entry: Entry, client: Client, server: Server) -> Tunnel {
        let (from_client, early) = client.reader.into_parts();
        Tunnel {
            entry,
            from_client,
            to_client: client.responder.writer.into_io(),
            early,
            server,
        }
    }

    /// Moves octets until both sides have ended, one is gone, or neither has sent anything for the
    /// read time-out. A side that ends only its sending is sent on to.
    pub async fn run(self, app: &App) {
        let Tunnel {
            entry,
            mut from_client,
            mut to_client,
            early,
            mut server,
        } = self;
        let clock = Clock::start();
        let count = Count {
            entry,
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        };
        let up = one_way(
            &mut from_client,
            early,
            &mut server.writer,
            &count.received,
            &clock,
        );
        let down = one_way(
            &mut server.reader,
            server.early,
            &mut to_client,
            &count.sent,
            &clock,
        );
        let _: io::Result<()> = tokio::select! {
            both = async { tokio::try_join!(up, down) } => both.map(|_| ()),
            () = clock.idle(app.settings.read_timeout) => Ok(()),
        };
    }
}

/// What has gone through: in the log, however the tunnel ends.
struct Count {
    entry: Entry,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Drop for Count {
    fn drop(&mut self) {
        self.entry.outcome.received = *self.received.get_mut();
        self.entry.outcome.sent += *self.sent.get_mut();
    }
}

/// Until the sender ends, or the receiver takes no more: what comes from there may go on.
///
/// # Errors
/// The sender is gone.
async fn one_way(
    from: &mut ReadHalf,
    early: BytesMut,
    to: &mut WriteHalf,
    count: &AtomicU64,
    clock: &Clock,
) -> io::Result<()> {
    let mut octets = early;
    loop {
        if !octets.is_empty() {
            clock.tick();
            if write(to, &octets).await.is_err() {
                return Ok(());
            }
            count.fetch_add(octets.len() as u64, Ordering::Relaxed);
        }
        // A tunnel that waits holds no buffer.
        octets = BytesMut::new();
        if let ReadHalf::Tcp(from) = from {
            from.readable().await?;
        }
        octets.reserve(CHUNK);
        if from.read_buf(&mut octets).await? == 0 {
            let _ = to.shutdown().await;
            return Ok(());
        }
    }
}

async fn write(to: &mut WriteHalf, octets: &[u8]) -> io::Result<()> {
    to.write_all(octets).await?;
    to.flush().await
}

/// When something last moved.
struct Clock {
    start: Instant,
    /// Milliseconds after that.
    last: AtomicU64,
}

// === impl Clock ===

impl Clock {
    fn start() -> Clock {
        Clock {
            start: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn tick(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    /// Returns when nothing has moved for that long.
    async fn idle(&self, limit: Duration) {
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let deadline = self.start + last + limit;
            if Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep_until(deadline.into()).await;
        }
    }
}

// === impl Server ===

impl From<TcpStream> for Server {
    fn from(stream: TcpStream) -> Server {
        let (reader, writer) = stream.into_split();
        Server {
            reader: ReadHalf::Tcp(reader),
            writer: WriteHalf::Tcp(writer),
            early: BytesMut::new(),
        }
    }
}

/// A server that has switched protocols.
impl From<Upstream> for Server {
    fn from(upstream: Upstream) -> Server {
        let (reader, early) = upstream.reader.into_parts();
        Server {
            reader,
            writer: upstream.writer.into_io(),
            early,
        }
    }
}
