//! The proxy: the real binary.

use super::{Connection, OPEN_POLICY, PATIENCE, Response};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;
use tempfile::TempDir;

/// A proxy that runs, until it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// A folder of its own: `wproxy.toml` is in it.
    pub(crate) folder: TempDir,
    child: Child,
    /// The access log.
    stdout: Mutex<Receiver<String>>,
    stderr: Mutex<Receiver<String>>,
}

/// The binary under test.
pub(crate) fn wproxy() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wproxy"));
    // Components are compiled once for all tests.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    // Nor is the machine's own proxy to notice them.
    let run = Path::new(env!("CARGO_TARGET_TMPDIR")).join("run");
    command
        .env("XDG_CACHE_HOME", cache)
        .env("RUNTIME_DIRECTORY", run)
        .env_remove("CACHE_DIRECTORY");
    command
}

/// Runs it to its end: exit code, stdout, stderr.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = wproxy().args(arguments).output().expect("wproxy runs");
    let text = |octets: Vec<u8>| String::from_utf8(octets).expect("UTF-8");
    let stderr = text(stderr);
    // Whether it takes a while to compile is the machine's affair.
    let said = |line: &&str| !line.starts_with("compiling plugin `");
    let stderr = stderr.split_inclusive('\n').filter(said).collect();
    (status.code(), text(stdout), stderr)
}

impl Proxy {
    /// Serves loopback clients and origins, with these settings; the access log at stdout.
    pub(crate) fn start(settings: &str) -> Proxy {
        Proxy::with_policy(&format!("{settings}\n{OPEN_POLICY}"), &[])
    }

    /// The same with a folder of plugins.
    pub(crate) fn with_plugins(settings: &str, plugins: &Path) -> Proxy {
        let plugins = plugins.to_str().expect("a path in UTF-8");
        Proxy::with_policy(settings, &["--plugins", plugins])
    }

    /// With these settings and arguments, and the plugins' own policy where they set none.
    pub(crate) fn with_policy(settings: &str, arguments: &[&str]) -> Proxy {
        Proxy::in_folder(tempfile::tempdir().expect("a folder"), settings, arguments)
    }

    /// The same in a folder of an earlier proxy, whose cache is there; or of another one's.
    pub(crate) fn in_folder(folder: TempDir, settings: &str, arguments: &[&str]) -> Proxy {
        let mut head = "http_port = [\"127.0.0.1:0\"]\n".to_owned();
        if !settings.contains("cache_dir =") {
            let cache = folder.path().join("cache");
            head.push_str(&format!("cache_dir = {cache:?}\n"));
        }
        let settings = format!("{head}{settings}");
        std::fs::write(folder.path().join("wproxy.toml"), settings).expect("a file");
        let mut child = wproxy()
            .arg("run")
            .arg("--config")
            .arg(folder.path().join("wproxy.toml"))
            .args(arguments)
            .env("RUNTIME_DIRECTORY", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let stdout = lines(child.stdout.take().expect("piped"));
        let stderr = lines(child.stderr.take().expect("piped"));
        let listening = wait_for(&stderr, "listening at ");
        let address = listening
            .rsplit(' ')
            .next()
            .and_then(|address| address.parse().ok());
        Proxy {
            address: address.expect("an address"),
            folder,
            child,
            stdout: Mutex::new(stdout),
            stderr: Mutex::new(stderr),
        }
    }

    /// Kills it (SIGKILL) where it still runs, and leaves its folder.
    pub(crate) fn kill(mut self) -> TempDir {
        let _ = self.child.kill();
        self.child.wait().expect("it can be waited for");
        let other = tempfile::tempdir().expect("a folder");
        std::mem::replace(&mut self.folder, other)
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.folder.path().join("wproxy.toml")
    }

    /// Where its control socket is, unless its settings name another place.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// `wproxy cache`, of this proxy: exit code, stdout, stderr.
    pub(crate) fn cache(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        self.command(&[&["cache"], arguments].concat())
    }

    /// A command that goes to this proxy: exit code, stdout, stderr.
    pub(crate) fn command(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let socket = self.control_socket();
        let socket = ["--socket", socket.to_str().expect("a path in UTF-8")];
        run(&[arguments, &socket].concat())
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// GET on a connection of its own, with these further field lines.
    pub(crate) fn get(&self, url: &str, fields: &[&str]) -> Response {
        self.request("GET", url, fields, b"")
    }

    /// A request on a connection of its own.
    pub(crate) fn request(
        &self,
        method: &str,
        url: &str,
        fields: &[&str],
        body: &[u8],
    ) -> Response {
        let mut connection = self.connect();
        connection.send(request(method, url, fields, body));
        connection.response(method)
    }

    /// The next line of the access log.
    pub(crate) fn logged(&self) -> String {
        self.try_logged().expect("a line in the access log")
    }

    /// The same, where one comes.
    pub(crate) fn try_logged(&self) -> Option<String> {
        let stdout = self.stdout.lock().unwrap();
        stdout.recv_timeout(PATIENCE).ok()
    }

    /// Waits for a line on stderr that holds this; gives it.
    pub(crate) fn says(&self, what: &str) -> String {
        wait_for(&self.stderr.lock().unwrap(), what)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    /// Begins a reload that reads its settings from what is returned, until that is dropped.
    pub(crate) fn begin_reload(&self) -> File {
        let pipe = self.folder.path().join("pipe");
        fifo(&pipe);
        std::fs::rename(pipe, self.settings()).expect("one folder");
        self.signal(rustix::process::Signal::HUP);
        // It opens when the other side does.
        let pipe = File::options().write(true).open(self.settings());
        pipe.expect("the proxy reads it")
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        let stderr = self.stderr.get_mut().unwrap();
        // Its stderr ends with it.
        loop {
            match stderr.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
            }
        }
        self.child.wait().expect("it can be waited for")
    }

    /// Octets of memory that it holds (resident).
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The same without what is mapped from files: its own code is, as it comes to be used.
    pub(crate) fn own_memory(&self) -> u64 {
        self.status("RssAnon:")
    }

    /// KB of what it holds, as octets.
    fn status(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("it runs");
        let line = status
            .lines()
            .find(|line| line.starts_with(what))
            .expect("there");
        let kilobytes = line
            .split_whitespace()
            .nth(1)
            .and_then(|kb| kb.parse::<u64>().ok());
        kilobytes.expect("a number") << 10
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request in absolute-form. Host, and Content-Length where there is a body, are put on.
pub(crate) fn request(method: &str, url: &str, fields: &[&str], body: &[u8]) -> Vec<u8> {
    let rest = url.split("://").nth(1).unwrap_or(url);
    let authority = rest.split('/').next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let mut request = format!("{method} {url} HTTP/1.1\r\nHost: {authority}\r\n");
    for field in fields {
        request.push_str(field);
        request.push_str("\r\n");
    }
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    [request.as_bytes(), body].concat()
}

/// Makes a named pipe.
pub(crate) fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo runs").success());
}

pub(super) fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

pub(super) fn wait_for(lines: &Receiver<String>, what: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    let mut before = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(what) => return line,
            Ok(line) => before.push(line),
            Err(_) => panic!("no line with {what:?}; there were:\n{}", before.join("\n")),
        }
    }
}
