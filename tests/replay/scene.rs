//! Origins by name, recordings that go on, and what replays say.

use crate::support::proxy::run;
use crate::support::{Origin, PATIENCE, Proxy, wproxy};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// An origin that has many names.
pub(super) struct Names {
    pub(super) origin: Origin,
    folder: TempDir,
}

/// All that it is called.
pub(super) const NAMES: [&str; 6] = [
    "a.test",
    "api.test",
    "v2.api.test",
    "notapi.test",
    "www.ads.test",
    "ads.test",
];

impl Names {
    pub(super) fn new(origin: Origin) -> Names {
        let folder = tempfile::tempdir().unwrap();
        let hosts = format!("127.0.0.1 {}\n", NAMES.join(" "));
        std::fs::write(folder.path().join("hosts"), hosts).unwrap();
        Names { origin, folder }
    }

    pub(super) fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.origin.address.port())
    }
}

/// With those names known.
pub(super) fn settings(names: &Names, policy: &str) -> String {
    let hosts = names.folder.path().join("hosts");
    format!("hosts_file = {hosts:?}\n{policy}")
}

/// `wproxy record` that has begun.
pub(super) struct Recording {
    child: Child,
    stderr: BufReader<ChildStderr>,
    file: PathBuf,
}

impl Recording {
    pub(super) fn begin(proxy: &Proxy, arguments: &[&str]) -> Recording {
        let file = proxy.folder.path().join("sample.rec");
        let mut child = wproxy()
            .arg("record")
            .arg(&file)
            .arg("--socket")
            .arg(proxy.control_socket())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let expected = format!("recording to {}.part; ^C ends it\n", file.display());
        assert_eq!(line, expected);
        Recording {
            child,
            stderr,
            file,
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits until so many transactions are in the file.
    pub(super) fn has(&self, transactions: usize) {
        let part = self.file.with_file_name("sample.rec.part");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(&part).expect("it is being written");
            if text.lines().count() > transactions {
                return;
            }
            assert!(Instant::now() < deadline, "{text}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// It has come to its end: the file, and what was said.
    pub(super) fn ended(self) -> (PathBuf, String) {
        let (code, file, stdout, stderr) = self.end();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        (file, stdout)
    }

    /// It has come to no good end: the file, and what was said.
    pub(super) fn failed(self) -> (PathBuf, String) {
        let (code, file, stdout, stderr) = self.end();
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        (file, stderr)
    }

    fn end(mut self) -> (Option<i32>, PathBuf, String, String) {
        let (mut said, mut stdout) = (String::new(), String::new());
        self.stderr.read_to_string(&mut said).unwrap();
        let out = self.child.stdout.as_mut().expect("piped");
        out.read_to_string(&mut stdout).unwrap();
        let code = self.child.wait().unwrap().code();
        (code, self.file.clone(), stdout, said)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `wproxy replay`, with the plugins of the binary: exit code, stdout, stderr.
pub(super) fn replay(
    file: &Path,
    config: &Path,
    arguments: &[&str],
) -> (Option<i32>, String, String) {
    let (file, config) = (file.to_str().unwrap(), config.to_str().unwrap());
    run(&[&["replay", file, "--config", config], arguments].concat())
}

/// What it says to programs.
pub(super) struct Replayed {
    pub(super) code: Option<i32>,
    pub(super) changes: Vec<Change>,
    pub(super) summary: Value,
}

/// A change.
pub(super) struct Change {
    pub(super) hook: String,
    pub(super) was: String,
    pub(super) would_be: String,
    /// Of all its requests, in order.
    pub(super) uris: Vec<String>,
    /// Their numbers.
    pub(super) ids: Vec<u64>,
}

/// The same for programs, with all requests as examples.
pub(super) fn replay_json(file: &Path, config: &Path, arguments: &[&str]) -> Replayed {
    let all = [&["--json", "--examples", "1000000"], arguments].concat();
    let (code, stdout, stderr) = replay(file, config, &all);
    assert_eq!(stderr, "");
    let lines = stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let mut lines: Vec<Value> = lines.collect();
    let summary = lines.pop().expect("a summary");
    Replayed {
        code,
        changes: lines.iter().map(change).collect(),
        summary,
    }
}

pub(super) fn change(line: &Value) -> Change {
    let said = |said: &Value| {
        let text = said["text"].as_str().expect("a text").to_owned();
        match said["rule"]["rule"].as_str() {
            Some(rule) => format!("{text} by {rule}"),
            None => text,
        }
    };
    let examples = line["examples"].as_array().expect("examples");
    assert_eq!(line["count"], examples.len());
    let uri = |example: &Value| example["uri"].as_str().expect("a URI").to_owned();
    let id = |example: &Value| example["id"].as_u64().expect("a number");
    Change {
        hook: line["hook"].as_str().expect("a hook").to_owned(),
        was: said(&line["was"]),
        would_be: said(&line["would_be"]),
        uris: examples.iter().map(uri).collect(),
        ids: examples.iter().map(id).collect(),
    }
}
