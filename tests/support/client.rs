//! A client that says what it is told to, octet for octet.

use super::PATIENCE;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// A connection to a proxy.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Interim responses that came before it, as their first lines.
    pub(crate) interim: Vec<String>,
    /// Whether the body came to its end.
    pub(crate) complete: bool,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Connection {
        Connection::over(TcpStream::connect(address).expect("the proxy listens"))
    }

    pub(crate) fn over(stream: TcpStream) -> Connection {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Connection {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream
            .write_all(octets.as_ref())
            .expect("the proxy reads");
    }

    /// The same; an error where the proxy is gone.
    pub(crate) fn try_send(&mut self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(octets.as_ref())
    }

    /// Ends the sending side.
    pub(crate) fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("still open");
    }

    /// Ends all of it so that the proxy knows at once: what it writes from now on fails.
    pub(crate) fn reset(self) {
        let at_once = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        at_once.expect("a socket");
    }

    /// The response to a request of that method.
    pub(crate) fn response(&mut self, method: &str) -> Response {
        self.try_response(method).expect("a response")
    }

    /// The same; an error where the connection ends without one.
    pub(crate) fn try_response(&mut self, method: &str) -> io::Result<Response> {
        let mut interim = Vec::new();
        loop {
            let head = self.until(b"\r\n\r\n")?;
            let head = String::from_utf8_lossy(&head).into_owned();
            let mut lines = head.trim_end().split("\r\n");
            let first = lines.next().unwrap_or_default().to_owned();
            let mut words = first.splitn(3, ' ');
            let (version, status, reason) = (words.next(), words.next(), words.next());
            assert_eq!(version, Some("HTTP/1.1"), "{head}");
            let status: u16 = status.and_then(|s| s.parse().ok()).expect("a status");
            if (100..200).contains(&status) && status != 101 {
                interim.push(first);
                continue;
            }
            let mut response = Response {
                status,
                reason: reason.unwrap_or_default().to_owned(),
                fields: fields(lines),
                body: Vec::new(),
                trailers: Vec::new(),
                interim,
                complete: true,
            };
            let bodiless = method == "HEAD"
                || matches!(status, 101 | 204 | 304)
                || (method == "CONNECT" && status == 200);
            if !bodiless {
                response.complete = self.body(&mut response).is_ok();
            }
            return Ok(response);
        }
    }

    fn body(&mut self, response: &mut Response) -> io::Result<()> {
        if response.field("transfer-encoding") == Some("chunked") {
            return self.chunks(response);
        }
        match response.field("content-length").map(str::parse::<usize>) {
            Some(length) => {
                let length = length.expect("a length");
                while self.buffer.len() < length {
                    if let Err(error) = self.fill() {
                        response.body = std::mem::take(&mut self.buffer);
                        return Err(error);
                    }
                }
                response.body = self.buffer.drain(..length).collect();
                Ok(())
            }
            None => loop {
                match self.fill() {
                    Ok(()) => {}
                    Err(end) => {
                        response.body = std::mem::take(&mut self.buffer);
                        let clean = end.kind() == io::ErrorKind::UnexpectedEof;
                        return if clean { Ok(()) } else { Err(end) };
                    }
                }
            },
        }
    }

    fn chunks(&mut self, response: &mut Response) -> io::Result<()> {
        loop {
            let line = self.until(b"\r\n")?;
            let size = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(size.trim_end(), 16).expect("a chunk size");
            if size == 0 {
                let mut trailers = String::new();
                loop {
                    let line = self.until(b"\r\n")?;
                    if line == b"\r\n" {
                        break;
                    }
                    trailers.push_str(&String::from_utf8_lossy(&line));
                }
                response.trailers = fields(trailers.trim_end().split("\r\n"));
                return Ok(());
            }
            while self.buffer.len() < size + 2 {
                self.fill()?;
            }
            response.body.extend(self.buffer.drain(..size));
            assert_eq!(self.buffer.drain(..2).collect::<Vec<_>>(), b"\r\n");
        }
    }

    /// Octets up to and with the first of these.
    pub(crate) fn until(&mut self, what: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            let found = self
                .buffer
                .windows(what.len())
                .position(|window| window == what);
            if let Some(at) = found {
                return Ok(self.buffer.drain(..at + what.len()).collect());
            }
            self.fill()?;
        }
    }

    /// So many octets.
    pub(crate) fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            self.fill()?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// All that comes until the other side ends; whether it ended properly, not by a reset.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, bool) {
        loop {
            if let Err(end) = self.fill() {
                let clean = end.kind() == io::ErrorKind::UnexpectedEof;
                return (std::mem::take(&mut self.buffer), clean);
            }
        }
    }

    /// Whether the proxy closes the connection, saying nothing more.
    pub(crate) fn is_closed(&mut self) -> bool {
        let (rest, _) = self.rest();
        rest.is_empty()
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut octets = [0; 65_536];
        match self.stream.read(&mut octets)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.buffer.extend_from_slice(&octets[..read]);
                Ok(())
            }
        }
    }
}

impl Response {
    /// The first line's value of that name, given in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let line = self.fields.iter().find(|(field, _)| field == name);
        line.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let lines = lines.filter_map(|line| line.split_once(':'));
    let field = |(name, value): (&str, &str)| (name.to_ascii_lowercase(), value.trim().to_owned());
    lines.map(field).collect()
}
