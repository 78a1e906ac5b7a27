//! The socket's connections: a request each, and its answer.

use super::answer::{Answer, End, Refusal, to_line};
use super::{Request, answer_to};
use crate::app::App;
use rustix::process::geteuid;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Connections that are served side by side.
const AT_ONCE: usize = 16;
/// Octets of a request.
const LARGEST_REQUEST: usize = 1 << 20;
/// How long a request may take to come.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// How long a piece of the answer may take to be taken.
const WRITE_TIME: Duration = Duration::from_secs(60);
/// Pieces of the answer that wait to be taken; the command waits with the next.
const QUEUED: usize = 4;
/// How long accepting rests when it fails: most likely the process has no more files.
const REST: Duration = Duration::from_millis(100);

/// Accepts connections until the proxy stops.
pub async fn serve(app: Arc<App>, listener: UnixListener) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let accepted = tokio::select! {
            biased;
            () = app.draining() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("cannot accept a connection at the control socket: {error}");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        if let Err(refusal) = may(&stream) {
            turn_away(stream, &refusal);
            continue;
        }
        let Ok(place) = places.clone().try_acquire_owned() else {
            let error = format!("{AT_ONCE} commands are at work already");
            turn_away(stream, &Refusal::new(error, "try again in a moment"));
            continue;
        };
        let app = app.clone();
        tokio::spawn(async move {
            converse(app, stream).await;
            drop(place);
        });
    }
}

/// The socket's mode says the same, but anybody could be let in by somebody who means well.
fn may(stream: &UnixStream) -> Result<(), Refusal> {
    let (own, peer) = (
        geteuid().as_raw(),
        stream.peer_cred().map(|peer| peer.uid()),
    );
    match peer {
        Ok(0) => Ok(()),
        Ok(peer) if peer == own => Ok(()),
        peer => {
            let peer = peer.map_or_else(|error| error.to_string(), |uid| format!("user {uid}"));
            tracing::warn!("turned away at the control socket: {peer}");
            Err(Refusal::new(
                format!("this proxy obeys its own user and root alone, not {peer}"),
                format!("run it as user {own} or as root, with sudo say"),
            ))
        }
    }
}

/// Says no without waiting: there is room for a line, or nobody is there.
fn turn_away(stream: UnixStream, refusal: &Refusal) {
    let said = stream
        .into_std()
        .and_then(|mut stream| stream.write_all(&to_line(refusal)));
    if let Err(error) = said {
        tracing::debug!("who was turned away at the control socket has not heard it: {error}");
    }
}

async fn converse(app: Arc<App>, mut stream: UnixStream) {
    let last = match request(&mut stream).await {
        Ok(Some(request)) => answer(app, request, &mut stream).await,
        // It only looked whether somebody is here.
        Ok(None) => return,
        Err(refusal) => Ok(to_line(&refusal)),
    };
    let said = match last {
        Ok(last) => say(&mut stream, &last).await,
        Err(error) => Err(error),
    };
    if let Err(error) = said {
        tracing::debug!("an answer at the control socket was broken off: {error}");
    }
}

/// Reads a request; none where the connection ends without one.
async fn request(stream: &mut UnixStream) -> Result<Option<Request>, Refusal> {
    let line = timeout(REQUEST_TIME, line(stream)).await.map_err(|_| {
        let error = format!("no request has come within {REQUEST_TIME:?}");
        Refusal::new(error, "send it as one line of JSON")
    })?;
    let Some(line) = line? else {
        return Ok(None);
    };
    let request = serde_json::from_slice(&line).map_err(|error| {
        let version = env!("CARGO_PKG_VERSION");
        Refusal::new(
            format!("wproxy {version} does not understand this request: {error}"),
            "ask with the `wproxy` of that version, or restart the proxy with yours; by hand, \
             send one line of JSON, as {\"command\":\"cache stats\"}",
        )
    })?;
    Ok(Some(request))
}

async fn line(stream: &mut UnixStream) -> Result<Option<Vec<u8>>, Refusal> {
    let mut line = Vec::new();
    let mut stream = stream.take(LARGEST_REQUEST as u64 + 1);
    loop {
        let before = line.len();
        let read = stream.read_buf(&mut line).await.map_err(|error| {
            let error = format!("the request cannot be read: {error}");
            Refusal::new(error, "send it again")
        })?;
        if let Some(end) = memchr::memchr(b'\n', &line[before..]) {
            line.truncate(before + end);
            return Ok(Some(line));
        }
        if line.len() > LARGEST_REQUEST {
            let error = format!("the request is larger than {LARGEST_REQUEST} octets");
            return Err(Refusal::new(error, "ask for less at a time"));
        }
        if read == 0 {
            return Ok((!line.is_empty()).then_some(line));
        }
    }
}

/// Lets the command speak. Its last line; an error where nobody listens any more.
async fn answer(app: Arc<App>, request: Request, stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let (chunks, mut queue) = mpsc::channel(QUEUED);
    let command = spawn_blocking(move || {
        let mut answer = Answer::new(chunks);
        let done = answer_to(request, &app, &mut answer);
        // Where it breaks, there is nobody to hear the last line either.
        let _ = answer.flush();
        done
    });
    while let Some(chunk) = queue.recv().await {
        say(stream, &chunk).await?;
    }
    Ok(match command.await {
        Ok(Ok(())) => to_line(&End::LINE),
        Ok(Err(refusal)) => to_line(&refusal),
        Err(panicked) => {
            tracing::error!("a command at the control socket failed: {panicked}");
            to_line(&Refusal::new(
                "the command has failed inside the proxy, which serves on",
                "its log says where: please report it",
            ))
        }
    })
}

async fn say(stream: &mut UnixStream, octets: &[u8]) -> io::Result<()> {
    let said = timeout(WRITE_TIME, stream.write_all(octets)).await;
    said.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
