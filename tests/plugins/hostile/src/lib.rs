//! Does whatever a plugin must not, as the request's path asks: `/access/loop` and so on.

mod empty;
mod handles;

use serde::Deserialize;
use std::hint::black_box;
use wproxy_sdk::{
    Access, CacheKey, CacheRules, ConfigError, Decision, Denial, Explain, Fields, Headers, Key,
    Level, LookedAt, Matched, Plugin, Question, Request, Spared, Verdict,
};

struct Hostile {
    spared: Spared,
    mirrors: Vec<String>,
}

wproxy_sdk::export!(Hostile: access, headers, cache_rules, cache_key, explain);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    /// Whether it cannot even be configured.
    panics: bool,
    /// Octets of what it has to say against its configuration.
    complaint: usize,
    /// The calls that it says are pointless, by their names in the WIT.
    spares: Vec<String>,
    /// Whether every instance spares what it likes. Wants random numbers to be granted.
    fickle: bool,
    /// Hosts that all have the same under one path.
    mirrors: Vec<String>,
}

impl Plugin for Hostile {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        fail_at_start(config.panics);
        match config.complaint {
            0 => Ok(Hostile {
                spared: match config.fickle {
                    true => Spared::from_bits_truncate(empty::random()),
                    false => config
                        .spares
                        .iter()
                        .filter_map(|name| spared(name))
                        .collect(),
                },
                mirrors: config.mirrors,
            }),
            octets => {
                let at = format!("/complaint{}", "/".repeat(octets));
                Err(ConfigError::new(at, "no\n".repeat(octets / 3)))
            }
        }
    }

    fn spared(&self) -> Spared {
        self.spared
    }
}

/// A function of its own, and so a frame of its own in a backtrace.
#[inline(never)]
fn fail_at_start(panics: bool) {
    assert!(!panics, "as asked");
}

fn spared(name: &str) -> Option<Spared> {
    Spared::from_name(&name.replace('-', "_").to_uppercase())
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
        Some("/twice") => handles::give_back_twice(),
        Some("/given-back") => handles::use_after_giving_back(),
        Some("/stale") => handles::use_after_the_call(),
        Some("/confused") => handles::confuse(),
        Some("/long-list") => handles::long_list(),
        Some("/many-names") => handles::names(1001),
        Some("/list-beyond") => handles::list_beyond(),
        Some(other) => {
            if let Some(depth) = other.strip_prefix("/deep/") {
                descend(depth.parse().expect("a number"));
            }
        }
        None => {}
    }
}

#[expect(unconditional_recursion, reason = "as asked")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1)) + depth)
}

/// The same, with an end.
fn descend(depth: u64) -> u64 {
    match depth {
        0 => 0,
        _ => black_box(descend(black_box(depth - 1)) + depth),
    }
}

impl Access for Hostile {
    fn authorize(&self, request: &dyn Request) -> Verdict {
        misbehave(request, "/access");
        match request.path() {
            "/access/pass" => Verdict::Pass,
            "/access/resolve" => Verdict::Resolve,
            "/access/ask-again" => Verdict::Lookup(Question::new("h", "once")),
            "/access/ask-on" => ask_on(request),
            "/access/ask-nothing" => Verdict::Lookup(Question::new("h", "")),
            "/access/ask-two" => Verdict::Lookup(Question::new("h", "one\ntwo")),
            "/access/ask-long" => Verdict::Lookup(Question::new("h", "x".repeat(10_000))),
            "/access/ask-nobody" => Verdict::Lookup(Question::new("no\nbody".repeat(500), "x")),
            "/access/authenticate" => match request.field("proxy-authorization") {
                Some(_) => Verdict::Allow(Matched::by("proved")),
                None => Verdict::Authenticate("Basic realm=\"hostile\"".into()),
            },
            "/access/challenge" => Verdict::Authenticate("x".repeat(1_000_000)),
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
            "/access/sermon" => Verdict::Deny(Denial {
                message: Some("x".repeat(3 << 20)),
                ..Denial::by("by word")
            }),
            "/access/utf8" => Verdict::Deny(Denial::by(not_text())),
            "/access/long" => Verdict::Deny(Denial::by("x".repeat(1_000_000))),
            "/access/wasi" => Verdict::Deny(Denial::by(empty::look_around())),
            "/access/exit" => Verdict::Allow(Matched::by(empty::exit())),
            "/access/socket" => Verdict::Allow(Matched::by(empty::connect())),
            "/access/flood" => Verdict::Allow(Matched::by(empty::flood())),
            "/access/hoard" => Verdict::Allow(Matched::by(empty::hoard())),
            "/access/line" => {
                wproxy_sdk::log(Level::Info, &"long ".repeat(1000));
                Verdict::Allow(Matched::by("logged"))
            }
            "/access/freight" => {
                wproxy_sdk::log(Level::Info, &"x".repeat(5 << 20));
                Verdict::Allow(Matched::by("all of it arrived"))
            }
            "/access/chatter" => {
                (0..1000).for_each(|n| wproxy_sdk::log(Level::Info, &format!("chatter {n}")));
                Verdict::Allow(Matched::by("logged"))
            }
            "/access/log" => {
                wproxy_sdk::log(Level::Info, "one\ntwo\u{1b}[31m");
                Verdict::Allow(Matched::by("logged"))
            }
            _ => Verdict::Allow(Matched::by("hostile allows")),
        }
    }
}

/// Has another question whenever the last one is answered.
fn ask_on(request: &dyn Request) -> Verdict {
    let key = (0..).map(|n: u32| n.to_string());
    let unanswered = |key: &String| request.answer("h", key).is_none();
    let key = key.into_iter().find(unanswered);
    Verdict::Lookup(Question::new("h", key.unwrap_or_default()))
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
        if request.path() == "/request/scribble" {
            // The same field again and again, until there is no room.
            let scribble = |n: &u32| fields.set("X-Scribble", format!("{n:050}").as_bytes());
            (1..10_000).find(|n| scribble(n).is_err());
        }
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
        let changed = fields.append("X-Stays", b"not").is_ok()
            || fields.set("Cache-Control", b"no-store").is_ok()
            || fields.remove("Cache-Control");
        assert!(!changed, "these are lent to be read");
        misbehave(request, "/cache");
        if request.path().starts_with("/cache/told/") {
            wproxy_sdk::log(Level::Info, &format!("asked about {}", request.path()));
        }
        if request.path() == "/never-store" {
            return Decision::NeverStore("not for keeps".into());
        }
        Decision::Pass
    }
}

impl CacheKey for Hostile {
    fn key_for(&self, request: &dyn Request) -> Key {
        misbehave(request, "/key");
        match request.path() {
            "/key/never" => Key::Never,
            "/key/get-only" if request.method() != "GET" => Key::Never,
            "/key/empty" => Key::Named(String::new()),
            "/key/longest" => Key::Named("x".repeat(8 << 10)),
            "/key/longer" => Key::Named("x".repeat((8 << 10) + 1)),
            "/key/control" => Key::Named("a\r\nb".into()),
            path if self.mirrors.iter().any(|mirror| mirror == request.host()) => {
                Key::Named(format!("mirrors{path}"))
            }
            _ => Key::Pass,
        }
    }
}

impl Explain for Hostile {
    fn trace(&self, request: &dyn Request) -> Vec<LookedAt> {
        misbehave(request, "/explain");
        let odd = |text: &str| {
            LookedAt::new("access", text)
                .condition(text, None, text)
                .condition("x", Some(false), "x".repeat(5000))
        };
        match request.path() {
            "/explain/utf8" => vec![LookedAt::new("access", not_text())],
            "/explain/flood" => vec![odd("flood"); 100_000],
            "/explain/odd" => vec![
                odd("a\r\nb\u{1b}[31m"),
                LookedAt::new("nowhere", "/config"),
                LookedAt::new("access", "not what it says"),
            ],
            _ => Vec::new(),
        }
    }
}
