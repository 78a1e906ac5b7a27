//! Two origins, a proxy between, and a client in an environment of its own.

use crate::support::origin::Stream;
use crate::support::tls::tls_origin;
use crate::support::{Origin, Proxy, Seen, Then};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Where the origins are. The proxy alone knows its address: what does not go through it fails.
pub(super) const HOST: &str = "origin.test";

pub(super) struct Scene {
    pub(super) proxy: Proxy,
    pub(super) http: Origin,
    pub(super) https: Origin,
    folder: TempDir,
}

/// What a client said and how it ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Scene {
    /// The origins serve these files.
    pub(super) fn with_files(files: &[(&str, &[u8])]) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["home", "served"] {
            fs::create_dir(path(name)).unwrap();
        }
        for (name, content) in files {
            fs::write(path("served").join(name), content).unwrap();
        }
        publish(&path("served"), 1);
        let (plain, secure) = (path("served"), path("served"));
        let http = Origin::start(move |seen, stream| serve(&plain, seen, stream));
        let (https, authority) = tls_origin(HOST, move |seen, stream| serve(&secure, seen, stream));
        fs::write(path("ca.pem"), authority).unwrap();
        fs::write(path("hosts"), format!("127.0.0.1 {HOST}\n")).unwrap();
        let proxy = Proxy::start(&format!("hosts_file = \"{}\"", path("hosts").display()));
        Scene {
            proxy,
            http,
            https,
            folder,
        }
    }

    /// In a folder that goes with the scene. `served` is what the origins serve.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text, for arguments and configuration files.
    pub(super) fn named(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// The certificate that vouches for the origin.
    pub(super) fn authority(&self) -> String {
        self.named("ca.pem")
    }

    pub(super) fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy.address)
    }

    pub(super) fn http_url(&self, path: &str) -> String {
        format!("http://{HOST}:{}{path}", self.http.address.port())
    }

    pub(super) fn https_url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.https.address.port())
    }

    /// The program, with nothing of this machine's or user's settings.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        self.run_with(program, arguments, &[])
    }

    /// The same, with variables.
    pub(super) fn run_with(
        &self,
        program: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Ran {
        // Long enough for a busy machine; a client that hangs ends none the less.
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new("/usr/bin/timeout")
            .args(["--kill-after=5", "60", program])
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("home"))
            .env("LC_ALL", "C.UTF-8")
            .envs(variables.iter().copied())
            .current_dir(self.path("home"))
            .output()
            .expect("timeout(1) of coreutils runs");
        let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
        let ran = Ran {
            code: status.code(),
            stdout: text(stdout),
            stderr: text(stderr),
        };
        match ran.code {
            Some(124) => panic!("`{program}` has not ended in a minute: {ran:#?}"),
            Some(127) => panic!("{}`make clients` installs what is missing", ran.stderr),
            _ => ran,
        }
    }

    /// What the access log says of a tunnel to the origin.
    pub(super) fn tunnel(&self) -> String {
        let port = self.https.address.port();
        format!("TCP_TUNNEL/200 CONNECT {HOST}:{port}")
    }

    /// Waits until the access log has had all of these, in any order: clients have more than one
    /// connection, and the log says nothing of a tunnel until it has ended.
    pub(super) fn logged(&self, expected: &[String]) {
        let mut missing = expected.to_vec();
        let mut lines = Vec::new();
        while !missing.is_empty() {
            let Some(line) = self.proxy.try_logged() else {
                panic!("the access log is without\n{missing:#?}\nIt has\n{lines:#?}");
            };
            let words: Vec<&str> = line.split_whitespace().collect();
            let line = format!("{} {} {}", words[3], words[5], words[6]);
            missing.retain(|expected| *expected != line);
            lines.push(line);
        }
    }
}

impl Ran {
    /// Its standard output, where it succeeded.
    pub(super) fn output(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    /// What it complains of, where it failed in this way.
    pub(super) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self.stderr
    }
}

/// Dates the files there by their edition: so long ago that caches take them for fresh.
pub(super) fn publish(folder: &Path, edition: u64) {
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + edition);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => publish(&path, edition),
            false => File::open(&path).unwrap().set_modified(date).unwrap(),
        }
    }
}

/// Files, whether they have changed, and an echo of what is uploaded.
fn serve(root: &Path, seen: &Seen, stream: &mut dyn Stream) -> io::Result<Then> {
    let (mut head, mut body) = ("HTTP/1.1 200 OK".to_owned(), seen.body.clone());
    if seen.body.is_empty() {
        let path = root.join(seen.target.trim_start_matches('/'));
        match File::open(&path).and_then(|file| file.metadata()?.modified()) {
            Ok(modified) => {
                let modified = httpdate::fmt_http_date(modified);
                if seen.field("if-modified-since") == Some(&modified) {
                    head = "HTTP/1.1 304 Not Modified".into();
                } else {
                    body = fs::read(&path)?;
                }
                head += &format!("\r\nLast-Modified: {modified}");
            }
            Err(_) => head = "HTTP/1.1 404 Not Found".into(),
        }
    }
    if !head.contains(" 304 ") {
        head += &format!("\r\nContent-Length: {}", body.len());
    }
    stream.write_all(&[head.as_bytes(), b"\r\n\r\n", &body].concat())?;
    Ok(Then::Keep)
}
