//! An origin that answers as it is told to, and remembers what it was asked.

use super::PATIENCE;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// An origin on loopback, for as long as the test runs.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    seen: Mutex<Receiver<Seen>>,
}

/// A request as the origin saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Spelling kept.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Trailer lines of a chunked body.
    pub(crate) trailers: Vec<String>,
    /// Counted from 0, in the order in which they were accepted.
    pub(crate) connection: usize,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Keep,
    Close,
}

/// A connection to an origin.
pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Origin {
    /// Answers each request, its body read, by calling that.
    pub(crate) fn start(
        answer: impl Fn(&Seen, &mut dyn Stream) -> io::Result<Then> + Send + Sync + 'static,
    ) -> Origin {
        Origin::with_streams(Ok, answer)
    }

    /// The same, each connection wrapped: in TLS, say.
    pub(crate) fn with_streams<S: Stream + 'static>(
        wrap: impl Fn(TcpStream) -> io::Result<S> + Send + Sync + 'static,
        answer: impl Fn(&Seen, &mut dyn Stream) -> io::Result<Then> + Send + Sync + 'static,
    ) -> Origin {
        let (sender, receiver) = channel();
        let answer = Arc::new(answer);
        let wrap = Arc::new(wrap);
        let address = accept(move |number, stream| {
            let sender = sender.clone();
            let mut stream = wrap(stream)?;
            serve(number, &mut stream, &sender, &*answer)
        });
        Origin {
            address,
            seen: Mutex::new(receiver),
        }
    }

    /// Answers every request with these octets and keeps the connection.
    pub(crate) fn fixed(response: impl Into<Vec<u8>>) -> Origin {
        let response = response.into();
        Origin::start(move |_, stream| {
            stream.write_all(&response)?;
            Ok(Then::Keep)
        })
    }

    /// Answers every request with 200, the path as the body.
    pub(crate) fn plain() -> Origin {
        Origin::start(|seen, stream| {
            stream.write_all(&ok(&seen.target))?;
            Ok(Then::Keep)
        })
    }

    /// The connection is the callee's from its first octet on.
    pub(crate) fn raw(
        serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Origin {
        let (_, receiver) = channel();
        Origin {
            address: accept(move |_, stream| serve(stream)),
            seen: Mutex::new(receiver),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request that it has seen or will see.
    pub(crate) fn seen(&self) -> Seen {
        let seen = self.seen.lock().unwrap();
        seen.recv_timeout(PATIENCE)
            .expect("a request at the origin")
    }

    /// All that it has seen and that were not asked for yet.
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().try_iter().collect()
    }

    /// How many these are.
    pub(crate) fn count(&self) -> usize {
        self.all().len()
    }
}

impl Seen {
    /// The first line's value of that name, in any case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let line = self
            .fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name));
        line.map(|(_, value)| value.as_str())
    }
}

/// 200 with that body, not to be stored.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: {length}\r\n\r\n{body}")
        .into()
}

fn accept(
    serve: impl Fn(usize, TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let serve = serve.clone();
            // A client that leaves is no failure of the origin's.
            std::thread::spawn(move || stream.and_then(|stream| serve(number, stream)));
        }
    });
    address
}

fn serve(
    connection: usize,
    stream: &mut dyn Stream,
    sender: &Sender<Seen>,
    answer: &dyn Fn(&Seen, &mut dyn Stream) -> io::Result<Then>,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let head = until(stream, &mut buffer, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let mut seen = Seen {
            method: words.next().unwrap_or_default().into(),
            target: words.next().unwrap_or_default().into(),
            fields: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect(),
            body: Vec::new(),
            trailers: Vec::new(),
            connection,
        };
        if seen.field("expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        read_body(stream, &mut buffer, &mut seen)?;
        // The test may be over and its receiver gone.
        let _ = sender.send(seen.clone());
        if answer(&seen, stream)? == Then::Close {
            return Ok(());
        }
    }
}

fn read_body(stream: &mut dyn Stream, buffer: &mut Vec<u8>, seen: &mut Seen) -> io::Result<()> {
    if seen.field("transfer-encoding").is_some() {
        loop {
            let line = until(stream, buffer, b"\r\n")?;
            let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim_end(), 16);
            let size = size.expect("the proxy writes proper chunks");
            if size == 0 {
                loop {
                    let line = until(stream, buffer, b"\r\n")?;
                    if line == b"\r\n" {
                        return Ok(());
                    }
                    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                    seen.trailers.push(line);
                }
            }
            take(stream, buffer, size + 2)?;
            seen.body.extend(buffer.drain(..size));
            assert_eq!(buffer.drain(..2).collect::<Vec<_>>(), b"\r\n");
        }
    }
    if let Some(length) = seen.field("content-length") {
        let length: usize = length.parse().expect("the proxy writes proper lengths");
        take(stream, buffer, length)?;
        seen.body = buffer.drain(..length).collect();
    }
    Ok(())
}

fn until(stream: &mut dyn Stream, buffer: &mut Vec<u8>, what: &[u8]) -> io::Result<Vec<u8>> {
    loop {
        if let Some(at) = buffer.windows(what.len()).position(|window| window == what) {
            return Ok(buffer.drain(..at + what.len()).collect());
        }
        let more = buffer.len() + 1;
        take(stream, buffer, more)?;
    }
}

fn take(stream: &mut dyn Stream, buffer: &mut Vec<u8>, count: usize) -> io::Result<()> {
    let mut octets = [0; 65_536];
    while buffer.len() < count {
        match stream.read(&mut octets)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => buffer.extend_from_slice(&octets[..read]),
        }
    }
    Ok(())
}
