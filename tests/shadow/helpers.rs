//! Helpers of the candidate's own: it asks them itself, and they end with it.

use super::{ask, awake, brief, policy, renewed::save, report, settings};
use crate::helpers::{helper, is_gone, started_in, wait_for_end, wait_until};
use crate::support::{Origin, PATIENCE, Proxy};
use rustix::process::Signal;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use tempfile::TempDir;

/// One that finds everything, and one that finds nothing.
const ALL: &str = "while read -r key; do echo OK; done";
const NONE: &str = "while read -r key; do echo ERR; done";

/// What the helper `h` finds is denied.
const POLICY: &str = r#"
[plugins.access-policy]
acl = ["found external h %>{Key}", "listed external list %>{Key}", "localhost src 127.0.0.0/8 ::1"]
http_access = ["deny listed", "deny found", "allow localhost", "deny all"]
"#;
const ALLOWED: &str = "allow: http_access allow localhost";
const DENIED: &str = "deny 403: http_access deny found";

/// A candidate that asks a helper of its own, by a policy that asks none but for it.
struct Own {
    proxy: Proxy,
    origin: Origin,
    live: String,
    candidate: String,
    /// Its file is read again at each reload.
    _folder: TempDir,
}

impl Own {
    /// `[helpers.h]` is that; `live` is what the proxy's own settings begin with.
    fn new(live: &str, helper: &str) -> Own {
        let (folder, file) = settings(&format!(
            "{helper}{}",
            POLICY
                .replace("\"listed external list %>{Key}\", ", "")
                .replace("\"deny listed\", ", "")
        ));
        let live = format!("{live}{}", policy(""));
        let candidate = format!("{}config = {file:?}\n", awake(&live));
        Own {
            proxy: Proxy::with_policy(&candidate, &[]),
            origin: Origin::plain(),
            live,
            candidate,
            _folder: folder,
        }
    }

    fn get(&self, key: &str) {
        let url = self.origin.url("/");
        let response = self.proxy.get(&url, &[&format!("Key: {key}")]);
        assert_eq!(response.status, 200);
    }

    /// From now on the settings are these.
    fn reload(&self, settings: &str) {
        save(&self.proxy, settings);
        ask(&self.proxy, &["reload"]);
    }
}

/// Both chains ask the same, of helpers that are not the same; and of one that is.
#[test]
fn what_the_live_helper_has_said_is_not_the_candidate_s_answer() {
    let [list, live, other] = [NONE, ALL, NONE].map(|script| {
        let folder = tempfile::tempdir().unwrap();
        let settings = helper(&folder, script, "");
        (folder, settings)
    });
    let list = (list.0, list.1.replace("[helpers.h]", "[helpers.list]"));
    let file = format!("{}{}{POLICY}", list.1, other.1);
    let (_folder, candidate) = settings(&file);
    let proxy = Proxy::with_policy(
        &awake(&format!("{}{}{POLICY}", list.1, live.1)),
        &["--shadow-config", candidate.to_str().unwrap()],
    );
    for _ in 0..2 {
        assert_eq!(proxy.get("http://a.test/", &["Key: a"]).status, 403);
    }
    let report = report(&proxy, 2);
    assert_eq!(brief(&report), [json!(["access", 2, DENIED, ALLOWED])]);
    let started = [&list, &live, &other].map(|(folder, _)| started_in(folder.path()).len());
    assert_eq!(started, [1, 1, 1], "what the list has said is known");
}

#[test]
fn within_other_bounds_its_helper_answers_and_the_old_program_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let own = Own::new("", &helper(&folder, ALL, ""));
    own.get("a");
    let expected = [json!(["access", 1, ALLOWED, DENIED])];
    assert_eq!(brief(&report(&own.proxy, 1)), expected);

    own.reload(&format!("{}examples = 1\n", own.candidate));
    own.get("b");
    assert_eq!(brief(&report(&own.proxy, 1)), expected);
    let programs = started_in(folder.path());
    assert_eq!(programs.len(), 2);
    wait_for_end(programs[0]);

    own.reload(&own.live);
    wait_for_end(programs[1]);
}

#[test]
fn its_programs_end_with_the_proxy_and_so_does_what_they_have_started() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("sleep 1000 & echo $! >> started\n{ALL}");
    let mut own = Own::new("", &helper(&folder, &script, ""));
    own.get("a");
    report(&own.proxy, 1);
    let programs = started_in(folder.path());
    assert_eq!(programs.len(), 2);
    own.proxy.signal(Signal::TERM);
    assert!(own.proxy.ended().success());
    for program in programs {
        wait_until("it is gone", || is_gone(program));
    }
}

#[test]
fn connections_to_its_services_do_not_stay_idle_for_ever() {
    let (closed, is_closed) = channel();
    let closed = Mutex::new(closed);
    let service = Origin::raw(move |mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut asked = Vec::new();
        let mut octets = [0; 1024];
        while !asked.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut octets)?;
            asked.extend_from_slice(&octets[..count]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        let end = stream.read(&mut octets)?;
        let _ = closed.lock().unwrap().send(end);
        Ok(())
    });
    let live = "server_idle_pconn_timeout = \"100 ms\"\n";
    let helper = format!("[helpers.h]\nurl = \"{}\"\n", service.url("/"));
    let own = Own::new(live, &helper);
    own.get("a");
    let expected = [json!(["access", 1, ALLOWED, DENIED])];
    assert_eq!(brief(&report(&own.proxy, 1)), expected);
    assert_eq!(is_closed.recv_timeout(PATIENCE), Ok(0));
}
