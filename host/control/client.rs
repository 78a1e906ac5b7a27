//! The other side: asks a running proxy.

use super::Request;
use super::answer::{End, Refusal, to_line};
use std::fmt::Display;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Asks the proxy that listens there, and hands on each line of the answer but the last.
///
/// # Errors
/// There is none, it says no, or its answer breaks off; or what the line was handed to says.
pub fn ask(
    socket: &Path,
    request: &Request,
    each: &mut dyn FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut stream = UnixStream::connect(socket).map_err(|error| explain(socket, &error))?;
    // Who says no without having read it closes on it: what it said is there to be read all the same.
    let sent = stream.write_all(&to_line(request));
    for line in BufReader::new(stream).lines() {
        let line = line.map_err(|error| broken_off(socket, &error))?;
        if let Ok(refusal) = serde_json::from_str::<Refusal>(&line) {
            return Err(refusal.into());
        }
        if serde_json::from_str::<End>(&line).is_ok_and(|end| end == End::LINE) {
            return Ok(());
        }
        each(&line)?;
    }
    match sent {
        Ok(()) => Err(broken_off(socket, &"it has ended, or waited too long")),
        Err(error) => Err(broken_off(socket, &error)),
    }
}

fn broken_off(socket: &Path, why: &dyn Display) -> anyhow::Error {
    let socket = socket.display();
    anyhow::anyhow!("the proxy at {socket} has broken off its answer: {why}")
}

fn explain(socket: &Path, error: &io::Error) -> Refusal {
    let name = socket.display();
    match error.kind() {
        ErrorKind::NotFound => Refusal::new(
            format!("no proxy listens for commands: there is no {name}"),
            "start one with `wproxy run`; if it runs, --socket or --config says where its \
             control_socket is",
        ),
        ErrorKind::ConnectionRefused => Refusal::new(
            format!("no proxy listens for commands: the one that made {name} is gone"),
            "start it again with `wproxy run`",
        ),
        ErrorKind::PermissionDenied => {
            let owner = socket.symlink_metadata().map(|there| there.uid());
            Refusal::new(
                format!("{name} is for the proxy's own user and root alone"),
                match owner {
                    Ok(owner) => format!("run this as root, or: sudo -u '#{owner}' wproxy ..."),
                    Err(_) => "run this as root, with sudo say".into(),
                },
            )
        }
        _ => Refusal::new(
            format!("cannot connect to {name}: {error}"),
            "--socket or --config says where the proxy's control_socket is",
        ),
    }
}
