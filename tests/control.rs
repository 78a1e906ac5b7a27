//! The control socket: whose it is, and that no client of it does harm.

use crate::support::proxy::{request, run};
use crate::support::{OPEN_POLICY, Origin, PATIENCE, Proxy, Then, wproxy};
use rustix::process::{Signal, geteuid};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::channel;

const STATS: &[u8] = b"{\"command\":\"cache stats\"}\n";

/// A connection that has sent this.
fn asks(socket: &Path, octets: &[u8]) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(socket).expect("the proxy listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may say no before it has read everything.
    let _ = stream.write_all(octets);
    BufReader::new(stream)
}

/// The next line of the answer.
fn line(answer: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    answer.read_line(&mut line).expect("a line");
    line
}

fn works(socket: &Path) {
    let mut answer = asks(socket, STATS);
    let stats = line(&mut answer);
    assert!(
        stats.starts_with("{\"tiers\":[{\"tier\":\"memory\","),
        "{stats}"
    );
    assert_eq!(line(&mut answer), "{\"end\":true}\n");
    assert_eq!(line(&mut answer), "", "it closes the connection");
}

fn at(socket: &Path) -> String {
    format!("control_socket = \"{}\"\n{OPEN_POLICY}", socket.display())
}

#[test]
fn it_is_there_for_its_own_user_while_the_proxy_runs() {
    let mut proxy = Proxy::start("");
    let socket = proxy.control_socket();
    let made = fs::symlink_metadata(&socket).expect("it is there");
    assert!(made.file_type().is_socket());
    assert_eq!(made.mode() & 0o777, 0o600);
    works(&socket);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended().code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn there_can_be_none() {
    let proxy = Proxy::start("control_socket = \"none\"");
    assert!(!proxy.control_socket().exists());
    let settings = proxy.settings();
    let (code, _, stderr) = run(&["cache", "stats", "--config", settings.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    let expected = "error: by its settings the proxy has no control socket\nhelp: ";
    assert!(stderr.starts_with(expected), "{stderr}");
}

#[test]
fn what_is_no_request_gets_an_error_that_says_why() {
    let proxy = Proxy::start("");
    let huge = [&[b' '; 1 << 20][..], STATS].concat();
    #[rustfmt::skip]
    let cases: [(&[u8], &str); 7] = [
        (b"\n", "does not understand this request"),
        (b"GET / HTTP/1.1\r\n\r\n", "expected value at line 1 column 1"),
        (b"\xff\xfe\0\n", "expected value"),
        (b"{\"command\":\"shutdown\"}\n", "unknown variant `shutdown`, expected one of `cache ls`, `cache purge`"),
        (b"{\"command\":\"cache ls\",\"regex\":\"a(\"}\n", "`a(` is not a regular expression"),
        (b"{\"command\":\"cache purge\"}\n", "what is to be purged is not clear"),
        (&huge, "the request is larger than 1048576 octets"),
    ];
    for (octets, message) in cases {
        let answer = line(&mut asks(&proxy.control_socket(), octets));
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        let error = answer["error"].as_str().expect("an error");
        assert!(error.contains(message), "{error}");
        assert!(answer["help"].as_str().is_some_and(|help| !help.is_empty()));
    }
    works(&proxy.control_socket());
}

#[test]
fn a_line_feed_may_be_left_out_at_the_end() {
    let proxy = Proxy::start("");
    let mut answer = asks(&proxy.control_socket(), STATS.trim_ascii_end());
    answer.get_ref().shutdown(Shutdown::Write).unwrap();
    assert!(line(&mut answer).starts_with("{\"tiers\":"));
    // Who only looks whether somebody is there gets no answer.
    let mut answer = asks(&proxy.control_socket(), b"");
    answer.get_ref().shutdown(Shutdown::Write).unwrap();
    assert_eq!(line(&mut answer), "");
}

#[test]
fn silent_clients_delay_nobody_and_are_told_to_go() {
    let proxy = Proxy::start("");
    let socket = proxy.control_socket();
    let mut silent: Vec<_> = (0..15).map(|_| asks(&socket, b"{\"comm")).collect();
    works(&socket);
    silent.push(asks(&socket, b""));
    let refused = line(&mut asks(&socket, STATS));
    assert!(
        refused.contains("16 commands are at work already"),
        "{refused}"
    );
    for client in &mut silent {
        let told = line(client);
        assert!(told.contains("no request has come within 5s"), "{told}");
    }
    works(&socket);
}

#[test]
fn who_reads_nothing_delays_nobody_not_even_the_end() {
    let mut proxy = Proxy::start("access_log = \"none\"");
    let origin =
        Origin::fixed("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 0\r\n\r\n");
    // More than a socket holds.
    let long = "u".repeat(8000);
    let mut client = proxy.connect();
    for number in 0..100 {
        let url = origin.url(&format!("/{number}/{long}"));
        client.send(request("GET", &url, &[], b""));
        assert_eq!(client.response("GET").status, 200);
    }
    let mut reader = asks(&proxy.control_socket(), b"{\"command\":\"cache ls\"}\n");
    assert!(line(&mut reader).contains(&long));
    works(&proxy.control_socket());
    proxy.signal(Signal::TERM);
    drop(client);
    assert_eq!(proxy.ended().code(), Some(0));
}

#[test]
fn a_path_that_is_named_has_to_be_free_before_anything_is_touched() {
    let proxy = Proxy::start("");
    let folder = tempfile::tempdir().unwrap();
    let (settings, log) = (
        folder.path().join("wproxy.toml"),
        folder.path().join("access.log"),
    );
    let socket = proxy.control_socket();
    let text = format!("access_log = \"{}\"\n{}", log.display(), at(&socket));
    fs::write(&settings, text).unwrap();
    let settings = settings.to_str().unwrap();
    // Of a port in use it would have to say something else.
    let listen = proxy.address.to_string();
    let (code, _, stderr) = run(&["run", "--config", settings, "--listen", &listen]);
    assert_eq!(code, Some(1));
    let expected = format!(
        "error: no control socket at {}: another proxy has it: stop that one, or set \
         control_socket to another path or to \"none\"\n",
        socket.display()
    );
    assert!(stderr.ends_with(&expected), "{stderr}");
    assert!(!log.exists());
    works(&socket);
}

#[test]
fn a_second_proxy_goes_without_where_nobody_has_named_a_path() {
    let first = Proxy::start("");
    // In the first one's folder.
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("wproxy.toml");
    fs::write(&settings, "http_port = [\"127.0.0.1:0\"]\n").unwrap();
    let mut second = wproxy()
        .arg("run")
        .arg("--config")
        .arg(&settings)
        .env("RUNTIME_DIRECTORY", first.folder.path())
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(second.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    for line in lines.map_while(Result::ok) {
        said.push(line);
        if said
            .last()
            .is_some_and(|line| line.contains("listening at "))
        {
            break;
        }
    }
    second.kill().unwrap();
    second.wait().unwrap();
    let warning = |line: &&String| line.contains("WARN no control socket at ");
    let warning = said.iter().find(warning).expect("a warning");
    assert!(warning.contains("another proxy has it"), "{warning}");
    works(&first.control_socket());
}

#[test]
fn a_killed_proxys_socket_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("made/control.sock");
    let mut first = Proxy::with_policy(&at(&socket), &[]);
    let made = fs::metadata(folder.path().join("made")).unwrap();
    assert_eq!(made.mode() & 0o777, 0o700);
    first.signal(Signal::KILL);
    first.ended();
    assert!(socket.exists());
    let arguments = ["cache", "stats", "--socket", socket.to_str().unwrap()];
    let (code, _, stderr) = run(&arguments);
    assert_eq!(code, Some(1));
    let gone = format!(
        "error: no proxy listens for commands: the one that made {} is gone\nhelp: start it again \
         with `wproxy run`\n",
        socket.display()
    );
    assert_eq!(stderr, gone);
    let _second = Proxy::with_policy(&at(&socket), &[]);
    works(&socket);
    assert_eq!(run(&arguments).0, Some(0));
}

/// As listeners are: who is started next need not wait until the last request has ended.
#[test]
fn a_proxy_that_stops_leaves_the_path_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let mut first = Proxy::with_policy(&at(&socket), &[]);
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let origin = Origin::start(move |_, stream| {
        let _ = released.lock().unwrap().recv();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        Ok(Then::Keep)
    });
    let mut client = first.connect();
    client.send(request("GET", &origin.url("/"), &[], b""));
    origin.seen();
    first.signal(Signal::TERM);
    first.says("stopping: ");
    let _second = Proxy::with_policy(&at(&socket), &[]);
    works(&socket);
    drop(release);
    assert_eq!(client.response("GET").status, 200);
    assert_eq!(first.ended().code(), Some(0));
    works(&socket);
}

#[test]
fn where_no_proxy_is_the_error_says_which_socket_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let (code, stdout, stderr) = run(&["cache", "ls", "--socket", socket.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let expected = format!(
        "error: no proxy listens for commands: there is no {}\nhelp: start one with `wproxy run`; \
         if it runs, --socket or --config says where its control_socket is\n",
        socket.display()
    );
    assert_eq!(stderr, expected);

    // Somebody who accepts and says nothing.
    let listener = UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || drop(listener.accept()));
    let (code, _, stderr) = run(&["cache", "stats", "--socket", socket.to_str().unwrap()]);
    server.join().unwrap();
    assert_eq!(code, Some(1));
    assert!(stderr.contains("has broken off its answer"), "{stderr}");
}

/// By its mode; and where somebody has loosened that, by who asks. Only root can try.
#[test]
fn other_users_are_turned_away() {
    if !geteuid().is_root() {
        return;
    }
    let proxy = Proxy::start("");
    let (folder, socket) = (proxy.folder.path(), proxy.control_socket());
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(folder, 0o755);
    // Where the binary is built, others may have no business.
    let binary = folder.join("wproxy");
    fs::copy(env!("CARGO_BIN_EXE_wproxy"), &binary).unwrap();
    open(&binary, 0o755);
    let as_nobody = || {
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&binary)
            .args(["cache", "stats", "--socket"])
            .arg(&socket)
            .output()
            .expect("setpriv runs");
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let expected = format!(
        "error: {} is for the proxy's own user and root alone\nhelp: run this as root, or: sudo -u \
         '#0' wproxy ...\n",
        socket.display()
    );
    assert_eq!(as_nobody(), (Some(1), expected));

    open(&socket, 0o666);
    let expected = "error: this proxy obeys its own user and root alone, not user 65534\nhelp: run \
                    it as user 0 or as root, with sudo say\n";
    assert_eq!(as_nobody(), (Some(1), expected.to_owned()));
    proxy.says("turned away at the control socket: user 65534");
    works(&socket);
}
