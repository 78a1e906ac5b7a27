//! The record's network, on loopback: its clients, names and origins.

use super::case::{Answer, Case, expand, octets};
use crate::support::origin::Stream;
use crate::support::{Connection, Origin, Seen, Then};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, Socket, Type};
use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the name `refused.test` stands for. Nothing listens there.
const NOBODY: &str = "127.0.0.66";

/// An entry for each name that the record's name server knows.
pub(super) fn hosts_file() -> String {
    let known = ["origin", "www1", "www3", "local", "dual"].map(|name| ("127.0.0.1", name));
    let failing = [
        (NOBODY, "refused"),
        (NOBODY, "multi"),
        ("127.0.0.1", "multi"),
    ];
    let lines = known.into_iter().chain(failing);
    lines
        .map(|(address, name)| format!("{address} {name}.test\n"))
        .collect()
}

/// A name server that knows no name.
pub(super) fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let _ = socket.send_to(&no_address(&query[..length]), from);
        }
    });
    address
}

/// RFC 1035 §4.1: the query without its additional records, as a response.
fn no_address(query: &[u8]) -> Vec<u8> {
    const HEADER: usize = 12;
    let labels = &query[HEADER..];
    let end = labels.iter().position(|octet| *octet == 0).expect("a name") + 1;
    let code = match &labels[1..=usize::from(labels[0])] {
        b"nodata" => 0,
        b"servfail" => 2,
        _ => 3,
    };
    let mut response = query[..HEADER + end + 4].to_vec();
    response[2..4].copy_from_slice(&[0x81, 0x80 | code]);
    response[6..HEADER].fill(0);
    response
}

/// Nothing but time makes a stored response stale: a datagram is waited for that nobody sends.
pub(super) fn let_pass(time: Duration) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(time)).expect("a time-out");
    socket.recv(&mut [0]).expect_err("nobody sends");
}

/// A connection to the proxy from a client of that kind.
pub(super) fn client(kind: &str, proxy: SocketAddr) -> Connection {
    let source = match kind {
        "10" => Ipv4Addr::new(127, 10, 0, 1),
        "10b" => Ipv4Addr::new(127, 10, 0, 2),
        "self" => Ipv4Addr::new(127, 10, 0, 3),
        "127" => Ipv4Addr::LOCALHOST,
        "127.0.0.2" => Ipv4Addr::new(127, 0, 0, 2),
        "192" => Ipv4Addr::new(127, 192, 0, 1),
        other => panic!("no client is {other}"),
    };
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket
        .bind(&SocketAddr::from((source, 0)).into())
        .expect("loopback");
    socket.connect(&proxy.into()).expect("the proxy listens");
    Connection::over(socket.into())
}

/// The far end of tunnels.
pub(super) fn echo() -> Origin {
    Origin::raw(|mut stream| {
        let mut read = [0; 65_536];
        loop {
            match stream.read(&mut read)? {
                0 => return Ok(()),
                length => stream.write_all(&[b"echo:", &read[..length]].concat())?,
            }
        }
    })
}

/// Answers each case as the record says.
pub(super) fn origin(cases: &[Case]) -> Origin {
    Origin::start(answers(cases))
}

/// The same over TLS, as `origin.test`; and its certificate in PEM.
pub(super) fn secure_origin(cases: &[Case]) -> (Origin, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["origin.test".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key);
    let config = Arc::new(config.expect("a good configuration"));
    let secured = move |stream| {
        let connection = ServerConnection::new(config.clone()).expect("a good configuration");
        Ok(StreamOwned::new(connection, stream))
    };
    let origin = Origin::with_streams(secured, answers(cases));
    (origin, cert.pem())
}

fn answers(cases: &[Case]) -> impl Fn(&Seen, &mut dyn Stream) -> io::Result<Then> + 'static {
    let answers: HashMap<String, Vec<Answer>> = cases
        .iter()
        .map(|case| (case.id.clone(), case.origin.clone()))
        .collect();
    // By path and by connection.
    let counters = Mutex::new((HashMap::new(), HashMap::new()));
    let usual = Answer {
        path: None,
        has: None,
        nth: None,
        again: false,
        answer: "HTTP/1.1 200 OK\r\nDate: {t+0}\r\nX-Origin: {n}\r\nContent-Length: 8\r\n\r\nhello {n}\n"
            .to_owned(),
        close: false,
    };
    move |seen, stream| {
        let path = seen.target.split(['?', '#']).next().unwrap_or_default();
        let mut count = counters.lock().unwrap();
        let nth = *count
            .0
            .entry(path.to_owned())
            .and_modify(|n| *n += 1)
            .or_insert(1);
        let on_connection = *count
            .1
            .entry(seen.connection)
            .and_modify(|n| *n += 1)
            .or_insert(1);
        drop(count);
        let id = path.split('/').nth(1).unwrap_or_default();
        let answers = answers.get(id).map_or(&[][..], Vec::as_slice);
        let behind = path.get(1 + id.len()..).unwrap_or_default();
        let answer = answers
            .iter()
            .find(|answer| fits(answer, seen, behind, nth, on_connection))
            .unwrap_or(&usual);
        let port = seen.field("host").and_then(|host| host.rsplit(':').next());
        let text = expand(&answer.answer, |name| match name {
            "n" => Some(nth.to_string()),
            "http" => port.map(str::to_owned),
            _ => None,
        });
        let head = match (&*seen.method, text.split_once("\r\n\r\n")) {
            ("HEAD", Some((head, _))) => format!("{head}\r\n\r\n"),
            _ => text,
        };
        stream.write_all(&octets(&head))?;
        stream.flush()?;
        let closes = answer.close || seen.field("connection") == Some("close");
        Ok(if closes { Then::Close } else { Then::Keep })
    }
}

fn fits(answer: &Answer, seen: &Seen, path: &str, nth: usize, on_connection: usize) -> bool {
    let has = |(name, text): &(String, String)| {
        seen.field(name)
            .is_some_and(|value| value.contains(&**text))
    };
    answer.path.as_ref().is_none_or(|wanted| wanted == path)
        && answer.has.as_ref().is_none_or(has)
        && answer.nth.is_none_or(|wanted| wanted == nth)
        && (!answer.again || on_connection > 1)
}
