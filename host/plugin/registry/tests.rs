use super::*;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

/// What the server does for a path.
enum Answer {
    /// Sends that, and closes.
    Says(Vec<u8>),
    /// Sends that, and then nothing, and does not close.
    Stalls(Vec<u8>),
    /// Sends that head, and then an octet at a time, slowly and for ever.
    Trickles(Vec<u8>),
}

/// A registry on a port of its own, for as long as the tests last, that answers by the path.
fn server(answer: impl Fn(&str) -> Answer + Send + 'static) -> SocketAddr {
    server_of_heads(move |head| answer(path_of(head)))
}

/// The same, that sees all of a request's head.
fn server_of_heads(answer: impl Fn(&str) -> Answer + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut stalled = Vec::new();
        for mut stream in listener.incoming().flatten() {
            match answer(&head(&mut stream)) {
                // A client that has gone has heard enough.
                Answer::Says(octets) => drop(stream.write_all(&octets)),
                Answer::Stalls(octets) => {
                    let _ = stream.write_all(&octets);
                    stalled.push(stream);
                }
                Answer::Trickles(head) => drop(std::thread::spawn(move || {
                    let mut next = stream.write_all(&head);
                    while next.is_ok() {
                        std::thread::sleep(Duration::from_millis(20));
                        next = stream.write_all(b"x");
                    }
                })),
            }
        }
    });
    address
}

/// Reads a request that has no body.
fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut octet) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut octet).is_ok() {
        head.push(octet[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A request's path, without `/v2/`.
fn path_of(head: &str) -> &str {
    let path = head.split(' ').nth(1).unwrap_or_default();
    path.trim_start_matches("/v2/")
}

fn response(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{fields}Connection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn ok(body: &[u8]) -> Answer {
    Answer::Says(response("200 OK", "", body))
}

fn registry(cache: Option<Blobs>) -> Registry {
    Registry {
        cache,
        limits: Limits {
            idle: Duration::from_secs(20),
            whole: Duration::from_secs(60),
            size: 1 << 20,
        },
    }
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A manifest of that component, with that size.
fn manifest(component: &[u8], size: usize) -> Vec<u8> {
    let manifest = json!({
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.wasm.config.v0+json",
            "digest": Digest::of(b"{}").to_string(),
            "size": 2,
        },
        "layers": [{
            "mediaType": "application/wasm",
            "digest": Digest::of(component).to_string(),
            "size": size,
        }],
    });
    manifest.to_string().into_bytes()
}

fn reference(address: SocketAddr, digest: Digest) -> Reference {
    format!("{address}/a@{digest}").parse().unwrap()
}

/// Why nothing is pulled from a registry that has a good manifest and answers so for its blob.
fn blob_trouble(size: usize, blob: impl Fn() -> Answer + Send + 'static) -> Trouble {
    let (address, digest) = with_blob(size, blob);
    pull_trouble(&registry(None), address, digest)
}

fn with_blob(size: usize, blob: impl Fn() -> Answer + Send + 'static) -> (SocketAddr, Digest) {
    let manifest = manifest(COMPONENT, size);
    let digest = Digest::of(&manifest);
    let address = server(move |path| match path {
        "" => ok(b"{}"),
        path if path.starts_with("a/manifests/") => ok(&manifest),
        _ => blob(),
    });
    (address, digest)
}

fn pull_trouble(registry: &Registry, address: SocketAddr, digest: Digest) -> Trouble {
    let pulled = registry.pull("p", &reference(address, digest));
    pulled.expect_err("no component")
}

#[test]
fn what_is_pulled_is_in_the_cache_and_damage_to_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Blobs::new(folder.path().to_owned(), 1 << 20);
    let good = manifest(COMPONENT, COMPONENT.len());
    let digest = Digest::of(&good);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let address = server(move |path| {
        counted.fetch_add(1, Relaxed);
        match path {
            "" => ok(b"{}"),
            path if path.starts_with("a/manifests/") => ok(&good),
            _ => ok(COMPONENT),
        }
    });
    let reference = reference(address, digest);
    let pull = || registry(Some(cache.clone())).pull("p", &reference);
    assert_eq!(pull().as_deref(), Ok(COMPONENT));
    let once = asked.load(Relaxed);
    assert_eq!(pull().as_deref(), Ok(COMPONENT));
    assert_eq!(asked.load(Relaxed), once);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::write(file.unwrap().path(), "damage").unwrap();
        let before = asked.load(Relaxed);
        assert_eq!(pull().as_deref(), Ok(COMPONENT));
        assert!(asked.load(Relaxed) > before);
    }
}

#[test]
fn what_is_not_what_its_digest_says_is_refused() {
    const DAMAGED: &[u8] = b"\0asm\x0d\0\x01\x01";
    let something_else = |trouble: Trouble| {
        let Trouble { what, help } = trouble;
        assert!(what.starts_with("what 127.0.0.1:"), "{what}");
        assert!(
            what.ends_with("sends is not what the digest names"),
            "{what}"
        );
        assert!(help.starts_with("do not use it"), "{help}");
    };
    something_else(blob_trouble(8, || ok(DAMAGED)));
    something_else(blob_trouble(8, || ok(b"longer than it says")));
    something_else(blob_trouble(8, || ok(b"less")));
    something_else(blob_trouble(9, || ok(COMPONENT)));
    // An octet at a time: no more is read than there is to be.
    something_else(blob_trouble(8, || {
        Answer::Trickles(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())
    }));
    let address = server(|path| match path {
        "" => ok(b"{}"),
        _ => ok(&manifest(COMPONENT, 8)),
    });
    something_else(pull_trouble(
        &registry(None),
        address,
        Digest::of(b"another manifest"),
    ));
}

#[test]
fn a_registry_that_stalls_or_is_not_there_does_not_keep_anybody_waiting() {
    let mut registry = registry(None);
    let unreachable = |registry: &Registry, (address, digest), why: &str| {
        let Trouble { what, help } = pull_trouble(registry, address, digest);
        assert!(what.contains(" cannot be reached: "), "{what}");
        assert!(what.contains(why), "{what}");
        assert!(help.contains("is the registry up"), "{help}");
    };
    let whole = response("200 OK", "", COMPONENT);
    let part = whole[..whole.len() - 1].to_vec();
    let cut = with_blob(8, {
        let part = part.clone();
        move || Answer::Says(part.clone())
    });
    unreachable(&registry, cut, "end of file before message length");
    let bound = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = bound.local_addr().unwrap();
    drop(bound);
    unreachable(&registry, (gone, Digest::of(b"")), "Connection refused");

    registry.limits.idle = Duration::from_millis(1500);
    let silent = server(|_| Answer::Stalls(Vec::new()));
    unreachable(
        &registry,
        (silent, Digest::of(b"")),
        "it says nothing for 1.5s",
    );
    let stalled = with_blob(8, move || Answer::Stalls(part.clone()));
    unreachable(&registry, stalled, "it says nothing for 1.5s");
}

#[test]
fn a_pull_has_its_time_however_lively_the_registry_is() {
    let trickles = || Answer::Trickles(b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
    let (address, digest) = with_blob(1 << 20, trickles);
    let mut registry = registry(None);
    registry.limits.whole = Duration::from_secs(1);
    let what = pull_trouble(&registry, address, digest).what;
    let slow = format!("{address} cannot be reached: it takes longer than 1s");
    assert_eq!(what, slow);
}

#[test]
fn what_a_registry_says_is_said_again_on_one_line() {
    let says = |status: &'static str, fields: &'static str, body: &'static [u8]| {
        let address = server(move |path| match path {
            "" => ok(b"{}"),
            _ => Answer::Says(response(status, fields, body)),
        });
        pull_trouble(&registry(None), address, Digest::of(b""))
    };
    #[rustfmt::skip]
    let cases = [
        ("404 Not Found", &br#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such\nname"}]}"#[..],
         " has nothing of that name and digest: no such name", "`wproxy plugin push` prints"),
        ("404 Not Found", b"<html>", " has nothing of that name and digest: 404", ""),
        ("403 Forbidden", br#"{"errors":[{"code":"DENIED","message":"no"}]}"#,
         " wants credentials", "`docker login 127.0.0.1:"),
        ("401 Unauthorized", b"", " wants credentials", "credential helpers are not asked"),
        ("429 Too Many Requests", br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"later"}]}"#,
         " refuses: later", ""),
        ("500 Oh No", b"\x1b[31mred\nlines", " refuses: 500:  [31mred lines", ""),
        ("204 No Content", b"", "cannot be understood", "is it a registry for containers"),
    ];
    for (status, body, what, help) in cases {
        let said = says(status, "", body);
        assert!(said.what.contains(what), "{status}: {}", said.what);
        assert!(said.help.contains(help), "{status}: {}", said.help);
    }
    let long = says("500 Oh No", "", &[b'x'; 100_000]).what;
    assert!(long.len() < 2000, "{}", long.len());
}

/// A registry that has one component, and sends whoever asks for it elsewhere for a token: where that
/// is, and the fields of the requests for what it has.
fn with_token(granted: &'static str) -> (SocketAddr, Digest, Arc<Mutex<Vec<String>>>) {
    let good = manifest(COMPONENT, COMPONENT.len());
    let digest = Digest::of(&good);
    let (realm, asked) = (Arc::new(OnceLock::new()), Arc::default());
    let (address, carried): (Arc<OnceLock<SocketAddr>>, Arc<Mutex<Vec<String>>>) =
        (realm.clone(), Arc::clone(&asked));
    let server = server_of_heads(move |head| {
        let authorization = || {
            let mut lines = head.lines();
            let line = lines.find_map(|line| line.strip_prefix("authorization: "));
            carried
                .lock()
                .unwrap()
                .push(line.unwrap_or_default().to_owned());
        };
        match path_of(head) {
            "" => {
                let realm = address.wait();
                let fields = format!(
                    "WWW-Authenticate: Basic realm=\"x\", Bearer realm=\"http://{realm}/token?a=b\",\
                     service=\"s t\"\r\n"
                );
                Answer::Says(response("401 Unauthorized", &fields, b""))
            }
            "/token?a=b&scope=repository%3Aa%3Apull&service=s+t" => ok(granted.as_bytes()),
            path if path.starts_with("a/manifests/") => {
                authorization();
                ok(&good)
            }
            path if path.starts_with("a/blobs/") => {
                authorization();
                ok(COMPONENT)
            }
            _ => Answer::Says(response("404 Not Found", "", b"")),
        }
    });
    realm.set(server).unwrap();
    (server, digest, asked)
}

#[test]
fn a_token_is_asked_for_where_the_registry_says_and_goes_with_what_is_asked_of_it() {
    for granted in [
        r#"{"token": "t0", "expires_in": 60}"#,
        r#"{"access_token": "t0"}"#,
        r#"{"token": "t0", "access_token": "t1"}"#,
    ] {
        let (address, digest, asked) = with_token(granted);
        let pulled = registry(None).pull("p", &reference(address, digest));
        assert_eq!(pulled.as_deref(), Ok(COMPONENT), "{granted}");
        assert_eq!(*asked.lock().unwrap(), ["Bearer t0", "Bearer t0"]);
    }
}

#[test]
fn a_token_that_is_none_or_fits_no_field_is_an_answer_that_cannot_be_understood() {
    for granted in [r#"{"token": "a\nb"}"#, "{}", "", "t0"] {
        let (address, digest, asked) = with_token(granted);
        let what = pull_trouble(&registry(None), address, digest).what;
        let strange = "cannot be understood: what it gives is not a token";
        assert!(what.ends_with(strange), "{granted}: {what}");
        assert_eq!(asked.lock().unwrap().len(), 0);
    }
}

#[test]
fn a_reference_without_a_digest_is_answered_with_the_one_that_it_has_now() {
    let manifest = manifest(COMPONENT, 8);
    let digest = Digest::of(&manifest);
    let address = server(move |path| match path {
        "" => ok(b"{}"),
        "a/manifests/1.0" => ok(&manifest),
        _ => Answer::Says(response("404 Not Found", "", b"")),
    });
    let refused = |text: &str| {
        let refused = registry(None).pull("p", &text.parse().unwrap());
        let Trouble { what, help } = refused.expect_err("no digest");
        assert!(what.starts_with("it has no digest"), "{what}");
        help
    };
    assert_eq!(
        refused(&format!("oci://{address}/a:1.0")),
        format!("what it names at this time is: component = \"oci://{address}/a:1.0@{digest}\"")
    );
    let help = refused(&format!("oci://{address}/a:2.0"));
    assert!(
        help.starts_with("`wproxy plugin push` prints the reference with its digest"),
        "{help}"
    );
    assert!(help.contains("has nothing of that name"), "{help}");
}

#[test]
fn what_is_too_large_to_be_pulled_is_not_pushed() {
    let artifact = Artifact::new(COMPONENT.to_vec(), jiff::Timestamp::UNIX_EPOCH).unwrap();
    let mut registry = registry(None);
    registry.limits.size = COMPONENT.len() as u64 - 1;
    let pushed = registry.push(&"127.0.0.1:1/a:1".parse().unwrap(), &artifact);
    let what = pushed.expect_err("too large").what;
    assert_eq!(what, "its component is larger than 0 MB");
}
