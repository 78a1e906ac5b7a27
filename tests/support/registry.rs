//! A registry for containers: Debian's docker-registry, on loopback.

use super::proxy::{lines, wait_for};
use super::tls::Identity;
use super::{Connection, Response};
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A registry that runs, until it is dropped.
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Registry {
    /// Anybody may push and pull.
    pub(crate) fn start() -> Registry {
        Registry::with("", "", &[])
    }

    /// The same, in TLS.
    pub(crate) fn with_tls(identity: &Identity) -> Registry {
        let tls = ", tls: {certificate: certificate.pem, key: key.pem}";
        let certificate = ("certificate.pem", &*identity.certificate);
        Registry::with(tls, "", &[certificate, ("key.pem", &identity.key)])
    }

    /// Only `user` may, whose password is `secret`.
    pub(crate) fn with_password() -> Registry {
        let auth = "auth: {htpasswd: {realm: test, path: htpasswd}}\n";
        let user = "user:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";
        Registry::with("", auth, &[("htpasswd", user)])
    }

    fn with(http: &str, config: &str, files: &[(&str, &str)]) -> Registry {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(
            "version: 0.1\n\
             log: {{level: info, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: storage}}}}\n\
             http: {{addr: \"127.0.0.1:0\"{http}}}\n{config}"
        );
        for (name, content) in [("config.yml", &*config)].iter().chain(files) {
            fs::write(folder.path().join(name), content).expect("a file");
        }
        let child = Command::new("docker-registry")
            .args(["serve", "config.yml"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed");
        // From here on it ends with the test, however that ends.
        let mut registry = Registry {
            address: ([127, 0, 0, 1], 0).into(),
            child,
            _folder: folder,
        };
        let stderr = lines(registry.child.stderr.take().expect("piped"));
        let line = wait_for(&stderr, "listening on ");
        let address = line.split("listening on ").nth(1).expect("there");
        let address = address.split(['"', ',']).next().expect("there");
        registry.address = address.parse().expect("an address");
        // Nobody reads on; a pipe that is full would stop it.
        std::thread::spawn(move || stderr.iter().for_each(drop));
        registry
    }

    /// A request of the protocol's.
    fn request(&self, method: &str, path: &str, fields: &str, body: &[u8]) -> Response {
        let (address, length) = (self.address, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{fields}Content-Length: {length}\r\n\r\n"
        );
        let mut connection = Connection::open(address);
        connection.send([head.as_bytes(), body].concat());
        connection.response(method)
    }

    /// Pushes octets that nobody has looked at; their digest has to be right.
    pub(crate) fn push_blob(&self, name: &str, digest: &str, octets: &[u8]) {
        let begun = self.request("POST", &format!("/v2/{name}/blobs/uploads/"), "", b"");
        let location = begun.field("location").expect("a place").to_owned();
        let path = location.trim_start_matches(&format!("http://{}", self.address));
        let pushed = self.request("PUT", &format!("{path}&digest={digest}"), "", octets);
        assert_eq!(pushed.status, 201, "{}", pushed.text());
    }

    /// Pushes a manifest; gives its digest.
    pub(crate) fn push_manifest(&self, name: &str, tag: &str, manifest: &str) -> String {
        let path = format!("/v2/{name}/manifests/{tag}");
        let kind = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
        let pushed = self.request("PUT", &path, kind, manifest.as_bytes());
        assert_eq!(pushed.status, 201, "{}", pushed.text());
        pushed
            .field("docker-content-digest")
            .expect("there")
            .to_owned()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
