//! The writing half of an HTTP/1 connection: few, large writes.

use super::fields::Fields;
use super::watchdog::Watchdog;
use crate::decimal::Decimal;
use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio_rustls::client::TlsStream;

/// What is smaller is copied and goes out with what is before it.
const SMALL: usize = 16 * 1024;

/// What is smaller is copied even if nothing comes after it.
const COPIED: usize = 2 * 1024;

/// Where the octets go.
#[derive(Debug)]
pub enum WriteHalf {
    /// Plain.
    Tcp(OwnedWriteHalf),
    /// To an origin of `https`.
    Tls(tokio::io::WriteHalf<Box<TlsStream<TcpStream>>>),
    /// Nowhere: it takes everything.
    Nobody,
}

/// Writes messages.
#[derive(Debug)]
pub struct Writer {
    io: WriteHalf,
    queue: Vec<u8>,
    chunked: bool,
    /// A body has been begun and not been ended.
    open: bool,
    sent: u64,
    watchdog: Watchdog,
}

/// How the receiver knows where a body that is written ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none, whatever the header section says: the answer to HEAD.
    None,
    /// By Content-Length.
    Known(u64),
    /// By the chunked coding: HTTP/1.1 only.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// Why nothing more can be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The other side took nothing for too long.
    #[error("nothing was taken for too long")]
    Timeout,
    /// The stream broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

// === impl Writer ===

impl Writer {
    /// Writes there.
    pub fn new(io: WriteHalf) -> Self {
        Writer {
            io,
            queue: Vec::new(),
            chunked: false,
            open: false,
            sent: 0,
            watchdog: Watchdog::default(),
        }
    }

    /// Queues octets as they are: a first line.
    pub fn push(&mut self, octets: &[u8]) {
        self.queue.extend_from_slice(octets);
    }

    /// Queues field lines.
    pub fn push_fields(&mut self, fields: &Fields) {
        fields.write(&mut self.queue);
    }

    /// Ends the header section: the field lines that say where the body ends, and the empty line.
    pub fn begin_body(&mut self, length: BodyLength) {
        self.chunked = length == BodyLength::Chunked;
        self.open = length != BodyLength::None;
        match length {
            BodyLength::None | BodyLength::UntilClose => {}
            BodyLength::Known(length) => {
                for part in [b"Content-Length: ", &*Decimal::of(length), b"\r\n"] {
                    self.push(part);
                }
            }
            BodyLength::Chunked => self.push(b"Transfer-Encoding: chunked\r\n"),
        }
        self.push(b"\r\n");
    }

    /// Writes octets of the body, or queues them where they are few.
    pub async fn data(&mut self, data: &[u8], limit: Duration) -> Result<(), WriteError> {
        if data.is_empty() {
            return Ok(());
        }
        if self.chunked {
            let _ = write!(self.queue, "{:x}\r\n", data.len());
        }
        let end: &[u8] = if self.chunked { b"\r\n" } else { b"" };
        if self.queue.len() + data.len() <= SMALL {
            self.push(data);
            self.push(end);
            return Ok(());
        }
        self.write_out(data, end, limit).await
    }

    /// Writes the last octets of the body, as they are, together with what is queued; where they are
    /// few, they are queued: copying them costs less than another way out of the process.
    pub async fn last(&mut self, data: &[u8], limit: Duration) -> Result<(), WriteError> {
        match self.chunked || data.len() <= COPIED {
            true => self.data(data, limit).await,
            false => self.write_out(data, b"", limit).await,
        }
    }

    /// Queues the end of the body. Trailers are for a chunked one; elsewhere there is no place
    /// for them, and they are dropped (RFC 9110 §6.5.1).
    pub fn end(&mut self, trailers: &Fields) {
        if self.chunked {
            self.push(b"0\r\n");
            self.push_fields(trailers);
            self.push(b"\r\n");
        }
        self.chunked = false;
        self.open = false;
    }

    /// Writes what is queued.
    pub async fn flush(&mut self, limit: Duration) -> Result<(), WriteError> {
        if !self.queue.is_empty() {
            self.write_out(b"", b"", limit).await?;
        }
        if let WriteHalf::Tls(io) = &mut self.io {
            let flushed = self.watchdog.within(limit, io.flush()).await;
            flushed.map_err(|_| WriteError::Timeout)??;
        }
        Ok(())
    }

    /// The queue, then the data, then the end.
    async fn write_out(
        &mut self,
        data: &[u8],
        end: &[u8],
        limit: Duration,
    ) -> Result<(), WriteError> {
        let mut slices = [&self.queue, data, end].map(IoSlice::new);
        let last = slices.iter().rposition(|slice| !slice.is_empty());
        let mut slices = &mut slices[..last.map_or(0, |last| last + 1)];
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let io = &mut self.io;
            let write = poll_fn(|context| match &*slices {
                // The system takes one slice for less than a list of one.
                [slice] => Pin::new(&mut *io).poll_write(context, slice),
                _ => Pin::new(&mut *io).poll_write_vectored(context, slices),
            });
            let written = self.watchdog.within(limit, write).await;
            match written.map_err(|_| WriteError::Timeout)?? {
                0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                written => {
                    self.sent += written as u64;
                    IoSlice::advance_slices(&mut slices, written);
                }
            }
        }
        self.queue.clear();
        if self.queue.capacity() > SMALL {
            self.queue = Vec::new();
        }
        Ok(())
    }

    /// Drops what is queued.
    pub fn discard(&mut self) {
        self.queue.clear();
        self.chunked = false;
        self.open = false;
    }

    /// Whether what is written goes nowhere.
    pub fn is_nobody(&self) -> bool {
        matches!(self.io, WriteHalf::Nobody)
    }

    /// Octets written so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Ends the stream: the other side reads to the end of what was written.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.io.shutdown().await
    }

    /// Breaks the connection off: the other side sees an error, not an end.
    pub fn abort(mut self) {
        self.break_off();
    }

    fn break_off(&mut self) {
        if let WriteHalf::Tcp(io) = self.take_io() {
            let _ = socket2::SockRef::from(io.as_ref()).set_linger(Some(Duration::ZERO));
            // Dropped, it would end the stream properly first.
            io.forget();
        }
    }

    /// The stream. What is queued has been flushed before.
    pub fn into_io(mut self) -> WriteHalf {
        self.take_io()
    }

    fn take_io(&mut self) -> WriteHalf {
        std::mem::replace(&mut self.io, WriteHalf::Nobody)
    }
}

/// Whoever has been sent a part of a message must not take that for all of it, also where a time
/// limit, or the end of the proxy, has dropped what was writing.
impl Drop for Writer {
    fn drop(&mut self) {
        if self.open || !self.queue.is_empty() {
            self.break_off();
        }
    }
}

// === impl WriteHalf ===

impl AsyncWrite for WriteHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            WriteHalf::Tcp(io) => Pin::new(io).poll_write(context, octets),
            WriteHalf::Tls(io) => Pin::new(io).poll_write(context, octets),
            WriteHalf::Nobody => Poll::Ready(Ok(octets.len())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            WriteHalf::Tcp(io) => Pin::new(io).poll_write_vectored(context, slices),
            WriteHalf::Tls(io) => Pin::new(io).poll_write_vectored(context, slices),
            WriteHalf::Nobody => Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            WriteHalf::Tcp(io) => Pin::new(io).poll_flush(context),
            WriteHalf::Tls(io) => Pin::new(io).poll_flush(context),
            WriteHalf::Nobody => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            WriteHalf::Tcp(io) => Pin::new(io).poll_shutdown(context),
            WriteHalf::Tls(io) => Pin::new(io).poll_shutdown(context),
            WriteHalf::Nobody => Poll::Ready(Ok(())),
        }
    }
}
