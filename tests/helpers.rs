//! Helpers: what plugins ask of programs and services, as clients see it.
//!
//! A request's field `Key` is what the helper is asked; where it finds something the rule `deny
//! found` denies the request, in the helper's words if there are some, and `deny all` where not. So
//! no origin has a part in it.

mod policy;
mod programs;
mod services;
mod squid;

use crate::support::{PATIENCE, Proxy};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A policy that asks the helper `h`.
const POLICY: &str = r#"
[plugins.access-policy]
acl = ["found external h %>{Key}", "manager proto cache_object"]
http_access = ["allow manager", "deny found", "deny all"]
"#;

/// What a client is told where the helper finds nothing, and where it fails.
const NOT_FOUND: &str = "403 the rule `http_access deny all` does not allow it";
const FAILED: &str = "503 whether you may is for the helper `h` to say, and it does not";

/// A proxy whose helper `h` is that shell script, which has a folder of its own as its first
/// argument, with these further settings. Each start of it is a line of the file `started` there.
fn with_script(script: &str, settings: &str) -> Proxy {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = format!("{}{POLICY}", helper(&folder, script, settings));
    Proxy::in_folder(folder, &settings, &[])
}

/// `[helpers.h]`: the script in that folder.
pub(crate) fn helper(folder: &TempDir, script: &str, settings: &str) -> String {
    let path = folder.path();
    let script = format!("cd \"$1\"\necho $$ >> started\n{script}\n");
    fs::write(path.join("helper.sh"), script).expect("a file");
    let file = path.join("helper.sh");
    format!("[helpers.h]\ncommand = [\"/bin/sh\", {file:?}, {path:?}]\n{settings}\n")
}

/// What a client sees: the status, and what the page says before its advice.
fn ask(proxy: &Proxy, key: &str) -> String {
    let field = format!("Key: {key}");
    view(&proxy.get("http://a.test/", &[&field, "Accept: */*"]))
}

fn view(response: &crate::support::Response) -> String {
    let text = response.text();
    let what = text.split_once(": ").map_or("", |(_, what)| what);
    let end = what.find(". ").unwrap_or(what.len());
    format!("{} {}", response.status, &what[..end])
}

/// The programs that were started, by their process numbers.
fn started(proxy: &Proxy) -> Vec<u32> {
    started_in(proxy.folder.path())
}

/// The same of a script in that folder.
pub(crate) fn started_in(folder: &Path) -> Vec<u32> {
    let text = fs::read_to_string(folder.join("started")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Waits until that is so.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never comes to this: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until that process is no more: not even a zombie.
pub(crate) fn wait_for_end(pid: u32) {
    let process = format!("/proc/{pid}");
    wait_until("the program is gone", || !Path::new(&process).exists());
}

/// Whether a process that a program has started is no more. It has nobody to wait for it but the
/// machine's first process, which may not.
pub(crate) fn is_gone(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat"));
    status.map_or(true, |status| status.contains(") Z "))
}

/// The number that the page of metrics has for this.
fn metric(proxy: &Proxy, series: &str) -> u64 {
    let url = format!("http://{}/squid-internal-mgr/metrics", proxy.address);
    let text = proxy.get(&url, &[]).text();
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    let number = line.and_then(|rest| rest.trim().parse().ok());
    number.unwrap_or_else(|| panic!("no {series} in:\n{text}"))
}
