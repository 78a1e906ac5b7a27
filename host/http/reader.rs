//! The reading half of an HTTP/1 connection: header sections and bodies out of a stream.

use super::chunked::Decoder;
use super::fields::Fields;
use super::framing::Framing;
use super::head::Malformed;
use super::spare;
use super::watchdog::Watchdog;
use bytes::{Buf, Bytes, BytesMut};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

/// Octets asked of the kernel at a time: at first, and for a body that keeps coming.
const FIRST_READ: usize = spare::SIZE;
const LARGEST_READ: usize = 256 * 1024;
/// Octets of further requests that may wait while one is answered.
const PIPELINE: usize = 64 * 1024;

/// Where the octets come from.
#[derive(Debug)]
pub enum ReadHalf {
    /// Plain.
    Tcp(OwnedReadHalf),
    /// To an origin of `https`.
    Tls(tokio::io::ReadHalf<Box<TlsStream<TcpStream>>>),
    /// Nowhere: nothing ever comes, and it never ends.
    Nobody,
}

/// Reads messages.
#[derive(Debug)]
pub struct Reader {
    io: ReadHalf,
    input: BytesMut,
    /// How much of `input` has been searched for the end of a header section.
    scanned: usize,
    appetite: usize,
    body: Body,
    /// Octets of the body that the caller has at the moment: at the front of `input`, or, for a
    /// chunked body, all of `decoded`.
    lent: usize,
    decoded: Vec<u8>,
    trailers: Fields,
    watchdog: Watchdog,
}

#[derive(Debug)]
enum Body {
    Length(u64),
    Chunked(Decoder),
    UntilClose,
    Done,
}

/// Why there is no more to read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing came for too long.
    #[error("nothing came for too long")]
    Timeout,
    /// The stream ended in the middle of a message.
    #[error("the connection ended in the middle of a message")]
    Closed,
    /// The stream broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The header section is larger than the limit.
    #[error("the header section is larger than {limit} octets")]
    TooLarge {
        /// Octets.
        limit: usize,
        /// Whether not even the first line fitted.
        first_line: bool,
    },
    /// What came is no HTTP/1 message.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

// === impl Reader ===

impl Reader {
    /// Reads from there.
    pub fn new(io: ReadHalf) -> Self {
        Reader {
            io,
            input: BytesMut::new(),
            scanned: 0,
            appetite: FIRST_READ,
            body: Body::Done,
            lent: 0,
            decoded: Vec::new(),
            trailers: Fields::default(),
            watchdog: Watchdog::default(),
        }
    }

    /// Waits for the first octet of a message, passing over empty lines before it (RFC 9112 §2.2).
    /// `false` where the stream ends instead.
    ///
    /// An idle connection holds no buffer.
    pub async fn begins(&mut self, limit: Duration) -> Result<bool, ReadError> {
        debug_assert!(self.is_done(), "the message before is still being read");
        self.take_back();
        loop {
            let blank = self
                .input
                .iter()
                .take_while(|&&octet| b"\r\n".contains(&octet));
            self.input.advance(blank.count());
            if !self.input.is_empty() {
                return Ok(true);
            }
            self.release();
            let readable = self.watchdog.within(limit, self.io.readable());
            readable.await.map_err(|_| ReadError::Timeout)??;
            match self.fill(limit).await {
                Ok(()) => {}
                Err(ReadError::Closed) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// A header section, up to and with the empty line that ends it. Both limits are for all of it:
    /// a piece now and then keeps no connection open.
    pub async fn section(&mut self, size: usize, limit: Duration) -> Result<Bytes, ReadError> {
        self.take_back();
        self.scanned = 0;
        let mut deadline = None;
        loop {
            let too_large = |first_line| ReadError::TooLarge {
                limit: size,
                first_line,
            };
            if let Some(end) = self.section_end() {
                if end > size {
                    return Err(too_large(self.lacks_line(size)));
                }
                // A copy: what keeps a field of it, an entry of the cache or a long tunnel, would
                // keep all of the buffer that was read into.
                let section = Bytes::copy_from_slice(&self.input[..end]);
                self.input.advance(end);
                return Ok(section);
            }
            if self.input.len() >= size {
                return Err(too_large(self.lacks_line(size)));
            }
            self.fill_by(&mut deadline, limit).await?;
        }
    }

    fn lacks_line(&self, size: usize) -> bool {
        memchr::memchr(b'\n', &self.input[..size.min(self.input.len())]).is_none()
    }

    /// The end of a header section, bare LFs included: the parser refuses them where they are
    /// refused, but with an answer instead of a wait.
    fn section_end(&mut self) -> Option<usize> {
        let mut from = self.scanned;
        while let Some(offset) = memchr::memchr(b'\n', &self.input[from..]) {
            let after = from + offset + 1;
            match &self.input[after..] {
                [b'\n', ..] => return Some(after + 1),
                [b'\r', b'\n', ..] => return Some(after + 2),
                [] | [b'\r'] => {
                    self.scanned = after - 1;
                    return None;
                }
                _ => from = after,
            }
        }
        self.scanned = self.input.len();
        None
    }

    /// A body of that framing comes next.
    pub fn expect_body(&mut self, framing: Framing) {
        self.trailers = Fields::default();
        self.body = match framing {
            Framing::None | Framing::Length(0) => Body::Done,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Decoder::default()),
            Framing::UntilClose => Body::UntilClose,
        };
    }

    /// The next octets of the body; none at its end.
    ///
    /// # Errors
    /// [`ReadError::Closed`] where the stream ends before the body does.
    pub async fn chunk(&mut self, limit: Duration) -> Result<Option<&[u8]>, ReadError> {
        self.take_back();
        match &mut self.body {
            Body::Done => Ok(None),
            Body::Length(left) => {
                let left = usize::try_from(*left).unwrap_or(usize::MAX);
                if self.input.is_empty() {
                    self.fill(limit).await?;
                }
                self.lent = left.min(self.input.len());
                Ok(Some(&self.input[..self.lent]))
            }
            Body::UntilClose => {
                if self.input.is_empty() {
                    match self.fill(limit).await {
                        Ok(()) => {}
                        Err(ReadError::Closed) => {
                            self.body = Body::Done;
                            return Ok(None);
                        }
                        Err(error) => return Err(error),
                    }
                }
                self.lent = self.input.len();
                Ok(Some(&self.input[..]))
            }
            Body::Chunked(_) => self.decode(limit).await,
        }
    }

    async fn decode(&mut self, limit: Duration) -> Result<Option<&[u8]>, ReadError> {
        while let Body::Chunked(decoder) = &mut self.body {
            if decoder.decode(&mut self.input, &mut self.decoded, &mut self.trailers)? {
                self.body = Body::Done;
            }
            if !self.decoded.is_empty() {
                self.lent = self.decoded.len();
                return Ok(Some(&self.decoded));
            }
            if !self.is_done() {
                self.fill(limit).await?;
            }
        }
        Ok(None)
    }

    /// What was lent has been used.
    fn take_back(&mut self) {
        let lent = std::mem::take(&mut self.lent);
        if !self.decoded.is_empty() {
            self.decoded.clear();
            return;
        }
        self.input.advance(lent);
        if let Body::Length(left) = &mut self.body {
            *left -= lent as u64;
            if *left == 0 {
                self.body = Body::Done;
            }
        }
    }

    /// Whether [`Reader::chunk`] would answer without waiting.
    pub fn is_ready(&self) -> bool {
        let waiting = matches!(self.body, Body::Length(_)) && self.input.len() > self.lent;
        waiting || self.is_done()
    }

    /// Whether the message has been read to its end. What is lent counts as read.
    pub fn is_done(&self) -> bool {
        match &self.body {
            Body::Done => true,
            Body::Length(left) => *left == self.lent as u64,
            Body::Chunked(_) | Body::UntilClose => false,
        }
    }

    /// The trailers of a chunked body that has been read.
    pub fn take_trailers(&mut self) -> Fields {
        std::mem::take(&mut self.trailers)
    }

    /// Waits until the other side has gone: has ended its stream, or broken it. Requests that it
    /// sends meanwhile are kept.
    pub async fn gone(&mut self) {
        self.take_back();
        while self.input.len() < PIPELINE {
            // Mostly nothing comes: no buffer for that.
            if self.io.readable().await.is_err() {
                return;
            }
            self.input.reserve(FIRST_READ);
            match self.io.read_buf(&mut self.input).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
        std::future::pending::<()>().await;
    }

    /// The next message may come at once: a buffer that has not grown is kept for it.
    pub fn rest(&mut self) {
        self.take_back();
        if self.appetite > FIRST_READ || self.decoded.capacity() > FIRST_READ {
            self.release();
        }
    }

    /// An idle connection holds no buffer.
    pub fn release(&mut self) {
        self.take_back();
        if self.input.is_empty() {
            spare::keep(std::mem::take(&mut self.input));
        }
        self.decoded = Vec::new();
        self.appetite = FIRST_READ;
    }

    /// Whether an idle connection is as it should be: open, with nothing unasked for to read.
    /// Looks only at what the kernel has reported already.
    pub fn is_idle(&mut self) -> bool {
        let mut octet = [0; 1];
        let mut octet = ReadBuf::new(&mut octet);
        let mut context = Context::from_waker(std::task::Waker::noop());
        self.take_back();
        self.input.is_empty()
            && Pin::new(&mut self.io)
                .poll_read(&mut context, &mut octet)
                .is_pending()
    }

    /// The stream, and what has been read of it and not been asked for.
    pub fn into_parts(mut self) -> (ReadHalf, BytesMut) {
        self.take_back();
        (self.io, self.input)
    }

    /// Reads and drops what still comes, up to so many octets. Whether it ended within that.
    pub async fn drain(&mut self, octets: u64, limit: Duration) -> bool {
        let mut left = octets;
        loop {
            match self.chunk(limit).await {
                Ok(None) => return true,
                Ok(Some(data)) => match left.checked_sub(data.len() as u64) {
                    Some(rest) => left = rest,
                    None => return false,
                },
                Err(_) => return false,
            }
        }
    }

    async fn fill(&mut self, limit: Duration) -> Result<(), ReadError> {
        self.fill_by(&mut None, limit).await
    }

    /// Reads more, until that deadline: where it is not set yet, the limit begins now.
    async fn fill_by(
        &mut self,
        deadline: &mut Option<Instant>,
        limit: Duration,
    ) -> Result<(), ReadError> {
        if self.input.capacity() == 0 {
            self.input = spare::take();
        }
        self.input.reserve(self.appetite);
        let room = self.input.capacity() - self.input.len();
        let read = self.io.read_buf(&mut self.input);
        let read = self.watchdog.by(deadline, limit, read).await;
        match read.map_err(|_| ReadError::Timeout)?? {
            0 => Err(ReadError::Closed),
            read => {
                if read == room {
                    self.appetite = (self.appetite * 4).min(LARGEST_READ);
                }
                Ok(())
            }
        }
    }
}

// === impl ReadHalf ===

impl ReadHalf {
    /// Waits until there may be something to read, where that can be known beforehand. For the one
    /// task that reads: tokio's own `readable` keeps a list of those who wait.
    async fn readable(&self) -> io::Result<()> {
        match self {
            ReadHalf::Tcp(io) => poll_fn(|context| io.as_ref().poll_read_ready(context)).await,
            ReadHalf::Tls(_) | ReadHalf::Nobody => Ok(()),
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ReadHalf::Tcp(io) => Pin::new(io).poll_read(context, buffer),
            ReadHalf::Tls(io) => Pin::new(io).poll_read(context, buffer),
            ReadHalf::Nobody => Poll::Pending,
        }
    }
}
