//! A client's connection.

use crate::http::{ReadHalf, Reader, WriteHalf, Writer};
use crate::respond::Responder;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// A client's connection, as one request after another uses it.
#[derive(Debug)]
pub struct Client {
    /// What it sends.
    pub reader: Reader,
    /// What it is sent.
    pub responder: Responder,
    /// Who it is.
    pub peer: SocketAddr,
    /// The address that it connected to.
    pub local: SocketAddr,
}

/// What is dropped of a request's body to save the connection, or the response on it.
const DRAIN: u64 = 256 * 1024;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(2);

impl Client {
    /// A connection that has just been accepted.
    pub fn new(stream: TcpStream, peer: SocketAddr, local: SocketAddr) -> Self {
        // Failure costs latency, and no more.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let canonical =
            |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        Client {
            reader: Reader::new(ReadHalf::Tcp(reader)),
            responder: Responder::new(Writer::new(WriteHalf::Tcp(writer))),
            peer: canonical(peer),
            local: canonical(local),
        }
    }

    /// Where a request is made in the background for what a client has asked: what comes is for the
    /// cache alone.
    pub fn nobody(peer: SocketAddr) -> Self {
        Client {
            reader: Reader::new(ReadHalf::Nobody),
            responder: Responder::new(Writer::new(WriteHalf::Nobody)),
            peer,
            local: peer,
        }
    }

    /// Whether nobody is there.
    pub fn is_nobody(&self) -> bool {
        self.responder.writer.is_nobody()
    }

    /// After a response: makes ready for the next request. Whether there can be one.
    pub async fn next(&mut self) -> bool {
        self.responder.persist && (self.reader.is_done() || self.drain().await)
    }

    /// Closes the connection. What the client is still sending is read for a while: to close on
    /// unread octets would reset the connection, and the client might lose the response.
    pub async fn close(mut self) {
        if self.responder.writer.shutdown().await.is_ok() {
            self.drain().await;
        }
    }

    async fn drain(&mut self) -> bool {
        let drain = self.reader.drain(DRAIN, DRAIN_TIME);
        tokio::time::timeout(DRAIN_TIME, drain)
            .await
            .unwrap_or(false)
    }

    /// Breaks the connection off in the middle of a response: the client must not take what it has
    /// for all of it, even where the end of the connection is the end of the body.
    pub fn abort(self) {
        self.responder.writer.abort();
    }
}
