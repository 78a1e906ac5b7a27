//! The cache on the disk: what outlives the process, and what happens when it goes wrong.

use crate::support::proxy::{request, run};
use crate::support::{OPEN_POLICY, Origin, Proxy, Then};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Deterministic octets, other ones for every number.
fn body(number: usize, length: usize) -> Vec<u8> {
    let mut state = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut octets = Vec::with_capacity(length + 8);
    while octets.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        octets.extend_from_slice(&state.to_le_bytes());
    }
    octets.truncate(length);
    octets
}

/// A size for every number: some fit into memory, some do not.
fn numbered(number: usize) -> Vec<u8> {
    let length = match number % 20 {
        0 => 600_000 + number,
        _ => number * 37 % 20_000,
    };
    body(number, length)
}

/// `/17` has the seventeenth body, to be stored for an hour.
fn origin() -> Origin {
    Origin::start(|seen, stream| {
        let number = seen.target.trim_start_matches('/').parse().unwrap_or(0);
        let body = numbered(number);
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nETag: \"{number}\"\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )?;
        stream.write_all(&body)?;
        Ok(Then::Keep)
    })
}

/// The files of stored objects.
fn objects(proxy_folder: &Path) -> Vec<PathBuf> {
    let shards = fs::read_dir(proxy_folder.join("cache")).expect("the cache's folder");
    let shards = shards
        .flatten()
        .filter(|shard| shard.file_name().len() == 2);
    let files = shards.flat_map(|shard| fs::read_dir(shard.path()).expect("a folder"));
    files.flatten().map(|file| file.path()).collect()
}

/// Ends it properly: what is to be written has been.
fn end(mut proxy: Proxy) -> tempfile::TempDir {
    proxy.signal(Signal::TERM);
    assert!(proxy.ended().success());
    proxy.kill()
}

#[test]
fn what_is_stored_outlives_the_process() {
    let origin = origin();
    let proxy = Proxy::start("");
    for number in [19, 20] {
        proxy.get(&origin.url(&format!("/{number}")), &[]);
    }
    assert_eq!(origin.count(), 2);
    let proxy = Proxy::in_folder(end(proxy), OPEN_POLICY, &[]);
    for number in [19, 20] {
        let response = proxy.get(&origin.url(&format!("/{number}")), &[]);
        assert!(response.body == numbered(number), "{number}");
        assert_eq!(response.field("etag"), Some(&*format!("\"{number}\"")));
        assert!(response.field("age").is_some());
        assert!(proxy.logged().contains(" TCP_HIT/200 "), "{number}");
    }
    // The small one is in memory now.
    proxy.get(&origin.url("/19"), &[]);
    assert!(proxy.logged().contains(" TCP_MEM_HIT/200 "));
    assert_eq!(origin.count(), 0);
}

#[test]
fn variants_and_freshened_fields_outlive_the_process() {
    let origin = Origin::start(|seen, stream| {
        let language = seen.field("accept-language").unwrap_or("-").to_owned();
        if seen.field("if-none-match").is_some() {
            stream.write_all(
                b"HTTP/1.1 304 Not Modified\r\nVary: Accept-Language\r\nX-New: 1\r\nETag: \"1\"\r\n\
                  Cache-Control: max-age=3600\r\n\r\n",
            )?;
        } else {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nVary: Accept-Language\r\nETag: \"1\"\r\nAge: 7200\r\n\
                 Cache-Control: max-age=3600\r\nContent-Length: {}\r\n\r\n{language}",
                language.len()
            )?;
        }
        Ok(Then::Keep)
    });
    let url = origin.url("/");
    let proxy = Proxy::start("");
    for _ in 0..2 {
        for language in ["de", "en"] {
            proxy.get(&url, &[&format!("Accept-Language: {language}")]);
        }
    }
    assert_eq!(origin.count(), 4);
    let proxy = Proxy::in_folder(end(proxy), OPEN_POLICY, &[]);
    for language in ["de", "en"] {
        let response = proxy.get(&url, &[&format!("Accept-Language: {language}")]);
        assert_eq!(
            (&*response.text(), response.field("x-new")),
            (language, Some("1"))
        );
        assert!(proxy.logged().contains(" TCP_HIT/200 "));
    }
    assert_eq!(origin.count(), 0);
}

#[test]
fn what_has_been_invalidated_does_not_come_back() {
    let origin = origin();
    let url = origin.url("/19");
    let proxy = Proxy::start("");
    proxy.get(&url, &[]);
    proxy.request("DELETE", &url, &[], b"");
    let proxy = Proxy::in_folder(end(proxy), OPEN_POLICY, &[]);
    let cached = proxy.get(&url, &["Cache-Control: only-if-cached"]);
    assert_eq!(cached.status, 504);
}

#[test]
fn a_damaged_file_is_fetched_anew() {
    let origin = origin();
    let proxy = Proxy::start("");
    for number in [19, 20] {
        proxy.get(&origin.url(&format!("/{number}")), &[]);
    }
    let folder = end(proxy);
    let files = objects(folder.path());
    assert_eq!(files.len(), 2);
    for file in files {
        let mut octets = fs::read(&file).expect("a file");
        octets[100] ^= 1;
        fs::write(&file, octets).expect("it can be written");
    }
    let proxy = Proxy::in_folder(folder, OPEN_POLICY, &[]);
    for number in [19, 20] {
        let response = proxy.get(&origin.url(&format!("/{number}")), &[]);
        assert!(response.body == numbered(number), "{number}");
        assert!(
            proxy.logged().contains(" TCP_SWAPFAIL_MISS/200 "),
            "{number}"
        );
        proxy.get(&origin.url(&format!("/{number}")), &[]);
        assert!(proxy.logged().contains("HIT/200 "), "{number}");
    }
    assert_eq!(origin.count(), 4);
}

/// The origin says that it still holds, but it does not.
#[test]
fn a_damaged_file_that_is_asked_about_is_fetched_anew() {
    let origin = Origin::start(|seen, stream| {
        if seen.field("if-none-match").is_some() {
            stream.write_all(b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n")?;
            return Ok(Then::Keep);
        }
        let body = numbered(20);
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=0\r\nETag: \"1\"\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )?;
        stream.write_all(&body)?;
        Ok(Then::Keep)
    });
    let proxy = Proxy::start("");
    proxy.get(&origin.url("/"), &[]);
    let folder = end(proxy);
    for file in objects(folder.path()) {
        let mut octets = fs::read(&file).expect("a file");
        octets[100] ^= 1;
        fs::write(&file, octets).expect("it can be written");
    }
    let proxy = Proxy::in_folder(folder, OPEN_POLICY, &[]);
    let response = proxy.get(&origin.url("/"), &[]);
    assert!(response.complete && response.body == numbered(20));
    assert!(proxy.logged().contains(" TCP_SWAPFAIL_MISS/200 "));
}

#[test]
fn two_proxies_do_not_share_a_folder() {
    let proxy = Proxy::start("");
    let cache = proxy.folder.path().join("cache");
    let other = tempfile::tempdir().expect("a folder");
    let settings = other.path().join("wproxy.toml");
    let text = format!("http_port = [\"127.0.0.1:0\"]\ncache_dir = {cache:?}\n");
    fs::write(&settings, text).expect("a file");
    let (code, _, stderr) = run(&["run", "--config", settings.to_str().expect("UTF-8")]);
    assert_eq!(code, Some(1), "{stderr}");
    let cache = cache.display().to_string();
    assert!(
        stderr.contains(&cache) && stderr.contains("another"),
        "{stderr}"
    );
}

/// 20 times: 1,000 objects are being stored when the proxy is killed. Whatever it has afterwards is
/// what the origin sent.
#[test]
fn nothing_is_served_wrongly_after_kill_9() {
    const OBJECTS: usize = 1000;
    let origin = Arc::new(origin());
    let mut folder = tempfile::tempdir().expect("a folder");
    let mut found_at_last = 0;
    for round in 0..20 {
        let proxy = Arc::new(Proxy::in_folder(folder, OPEN_POLICY, &[]));
        let (served, killed) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (origin, served, killed) = (origin.clone(), served.clone(), killed.clone());
                let address = proxy.address;
                std::thread::spawn(move || {
                    for step in 0..OBJECTS / 4 {
                        let number = (step * 4 + client + round * 131) % OBJECTS;
                        let url = origin.url(&format!("/{number}"));
                        let Ok(stream) = std::net::TcpStream::connect(address) else {
                            break;
                        };
                        let mut connection = crate::support::Connection::over(stream);
                        if connection.try_send(request("GET", &url, &[], b"")).is_err() {
                            break;
                        }
                        match connection.try_response("GET") {
                            Ok(response) if response.complete => {
                                assert!(response.body == numbered(number), "{number}");
                            }
                            _ => break,
                        }
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                    killed.load(Ordering::SeqCst)
                })
            })
            .collect();
        // Always in the middle, never at the same place.
        while served.load(Ordering::SeqCst) < 100 + round * 40 {
            std::thread::yield_now();
        }
        killed.store(true, Ordering::SeqCst);
        proxy.signal(Signal::KILL);
        for client in clients {
            client.join().expect("no client got anything wrong");
        }
        let proxy = Arc::into_inner(proxy).expect("nobody else has it");
        let again = Proxy::in_folder(proxy.kill(), OPEN_POLICY, &[]);
        let mut connection = again.connect();
        let mut found = 0;
        for number in 0..OBJECTS {
            let url = origin.url(&format!("/{number}"));
            let fields = ["Cache-Control: only-if-cached"];
            connection.send(request("GET", &url, &fields, b""));
            let response = connection.response("GET");
            match response.status {
                200 => {
                    assert!(
                        response.body == numbered(number),
                        "{number} in round {round}"
                    );
                    found += 1;
                }
                status => assert_eq!(status, 504, "{number} in round {round}"),
            }
        }
        assert!(found > 0, "nothing came back in round {round}");
        found_at_last = found;
        origin.all();
        folder = again.kill();
    }
    assert!(found_at_last > OBJECTS / 2, "{found_at_last}");
}

/// A file system of that many octets, while it is not dropped.
struct Small(PathBuf);

impl Small {
    /// None where this machine lets nobody mount one.
    fn mount(at: &Path, kilobytes: u64) -> Option<Small> {
        fs::create_dir(at).expect("a folder");
        let size = format!("size={kilobytes}k");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .output();
        let mounted = mount.is_ok_and(|mount| mount.status.success());
        mounted.then(|| Small(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_fails_no_request() {
    let place = tempfile::tempdir().expect("a folder");
    let Some(small) = Small::mount(&place.path().join("small"), 1024) else {
        assert!(
            !rustix::process::geteuid().is_root(),
            "root can mount a tmpfs"
        );
        return;
    };
    let origin = origin();
    let cache = small.0.join("cache");
    let proxy = Proxy::start(&format!("cache_mem = \"1 MB\"\ncache_dir = {cache:?}\n"));
    for number in 1..=200 {
        let response = proxy.get(&origin.url(&format!("/{number}")), &[]);
        assert!(
            response.complete && response.body == numbered(number),
            "{number}"
        );
    }
    // What is stored is good.
    for number in 1..=200 {
        let response = proxy.get(&origin.url(&format!("/{number}")), &[]);
        assert!(
            response.complete && response.body == numbered(number),
            "{number}"
        );
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error_before_anything_is_bound() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let settings = folder.path().join("wproxy.toml");
    let text = format!("http_port = [\"127.0.0.1:0\"]\ncache_dir = {file:?}\n");
    fs::write(&settings, text).expect("a file");
    let (code, _, stderr) = run(&["run", "--config", settings.to_str().expect("UTF-8")]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&file.display().to_string()), "{stderr}");
    assert!(!stderr.contains("listening"), "{stderr}");
}

/// An object of 2 GiB passes through, into the cache and out of it, and memory does not notice.
#[test]
fn an_object_of_2_gib_needs_no_memory() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 2048;
    let piece = Arc::new(body(1, PIECE));
    let sent = piece.clone();
    let origin = Origin::start(move |_, stream| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nContent-Length: {}\r\n\r\n",
            PIECE * PIECES
        )?;
        for _ in 0..PIECES {
            stream.write_all(&sent)?;
        }
        Ok(Then::Close)
    });
    let settings =
        "cache_mem = \"128 MB\"\ncache_dir_size = \"3 GB\"\nmaximum_object_size = \"3 GB\"\n";
    let proxy = Proxy::start(settings);
    let mut largest = 0;
    for code in [" TCP_MISS/200 ", " TCP_HIT/200 "] {
        let mut client = proxy.connect();
        client.send(request("GET", &origin.url("/large"), &[], b""));
        client.until(b"\r\n\r\n").expect("a head");
        for number in 0..PIECES {
            assert!(
                client.take(PIECE).expect("a piece") == *piece,
                "piece {number}"
            );
            if number % 64 == 0 {
                largest = largest.max(proxy.memory());
            }
        }
        assert!(proxy.logged().contains(code));
    }
    assert!(largest < 200 << 20, "{} MiB", largest >> 20);
    assert_eq!(origin.count(), 1);
}
