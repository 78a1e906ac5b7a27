//! Does whatever a plugin must not, as the request's path asks: `/access/loop` and so on.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "to see where it goes"
)]

use std::hint::black_box;
use wproxy_sdk::{
    Access, CacheRules, ConfigError, Decision, Denial, Fields, Headers, Level, Matched, NoConfig,
    Plugin, Request, Verdict,
};

struct Hostile;

wproxy_sdk::export!(Hostile: access, headers, cache_rules);

impl Plugin for Hostile {
    type Config = NoConfig;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Hostile)
    }
}

/// What needs no hook of its own. The path's last part says what.
fn misbehave(request: &dyn Request, hook: &str) {
    match request.path().strip_prefix(hook) {
        Some("/loop") => loop {
            black_box(());
        },
        Some("/trap") => panic!("as asked"),
        Some("/eat") => {
            let mut eaten = Vec::new();
            loop {
                eaten.push(vec![1u8; 1 << 20]);
                black_box(&eaten);
            }
        }
        Some("/recurse") => {
            recurse(0);
        }
        _ => {}
    }
}

#[expect(unconditional_recursion, reason = "as asked")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1)) + depth)
}

impl Access for Hostile {
    fn authorize(&self, request: &dyn Request) -> Verdict {
        misbehave(request, "/access");
        match request.path() {
            "/access/pass" => Verdict::Pass,
            "/access/resolve" => Verdict::Resolve,
            "/access/authenticate" => match request.field("proxy-authorization") {
                Some(_) => Verdict::Allow(Matched::by("proved")),
                None => Verdict::Authenticate("Basic realm=\"hostile\"".into()),
            },
            "/access/splitting" => Verdict::Authenticate("Basic\r\nX-Evil: 1".into()),
            "/access/status" => Verdict::Deny(Denial {
                status: 42,
                ..Denial::by("/nowhere/7")
            }),
            "/access/message" => Verdict::Deny(Denial {
                status: 451,
                message: Some("not in this <country>\r\n".into()),
                ..Denial::by("by\r\nlaw")
            }),
            "/access/utf8" => Verdict::Deny(Denial::by(not_text())),
            "/access/long" => Verdict::Deny(Denial::by("x".repeat(1_000_000))),
            "/access/wasi" => Verdict::Deny(Denial::by(wasi())),
            "/access/exit" => std::process::exit(3),
            "/access/socket" => {
                let connected = std::net::TcpStream::connect("127.0.0.1:1").is_ok();
                Verdict::Allow(Matched::by(format!("connected: {connected}")))
            }
            "/access/log" => {
                wproxy_sdk::log(Level::Info, "one\ntwo\u{1b}[31m");
                Verdict::Allow(Matched::by("logged"))
            }
            _ => Verdict::Allow(Matched::by("hostile allows")),
        }
    }
}

/// What a plugin that was built for WASI finds of it.
fn wasi() -> String {
    println!("hello from stdout");
    eprintln!("hello from stderr");
    let variables = std::env::vars().count();
    let arguments = std::env::args().count();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let directory = match std::fs::read_dir("/") {
        Ok(_) => "a directory",
        Err(_) => "no directory",
    };
    format!("{variables} variables, {arguments} arguments, {seconds} seconds, {directory}")
}

/// A string that is none: the host has to notice.
#[expect(unsafe_code, reason = "there is no honest way")]
fn not_text() -> String {
    // SAFETY: none. Nothing here looks into it; the host must not trust it.
    unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) }
}

impl Headers for Hostile {
    fn on_request(&self, request: &dyn Request, fields: &dyn Fields) {
        edit(fields);
        misbehave(request, "/request");
    }

    fn on_response(&self, request: &dyn Request, _status: u16, fields: &dyn Fields) {
        edit(fields);
        misbehave(request, "/response");
    }
}

/// Some changes that may be made and some that may not.
fn edit(fields: &dyn Fields) {
    let refused = [
        fields.set("Content-Length", b"99"),
        fields.set("Transfer-Encoding", b"chunked"),
        fields.set("Host", b"evil.example"),
        fields.append("X-Split", b"a\r\nX-Evil: 1"),
        fields.append("X Space", b"a"),
        fields.append("X-Large", &vec![b'x'; 1 << 20]),
    ];
    let refused = refused.iter().filter(|done| done.is_err()).count();
    // Nobody asks why it could not be written: the test sees that it was.
    let _ = fields.append("X-Refused", refused.to_string().as_bytes());
}

impl CacheRules for Hostile {
    fn rule_for(&self, request: &dyn Request, _status: u16, fields: &dyn Fields) -> Decision {
        let _ = fields.append("X-Stays", b"not");
        misbehave(request, "/cache");
        Decision::Pass
    }
}
