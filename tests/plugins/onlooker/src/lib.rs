//! Looks into bodies, and does with them what the request's field `X-Upload` or `X-Download` says:
//! `hold, stop-after=100`.

use serde::Deserialize;
use std::hint::black_box;
use wproxy_sdk::bodies::{Chunk, Ending, Scan, Watch};
use wproxy_sdk::{
    Access, ConfigError, Denial, Fields, Level, Matched, Plugin, Request, RequestBody,
    ResponseBody, Spared, Verdict, log,
};

struct Onlooker {
    name: String,
    spared: Spared,
}

wproxy_sdk::export!(Onlooker: access, request_body, response_body);

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// What it calls itself in what it appends and tells.
    name: String,
    /// Whether it says that it has nothing to do with bodies.
    idle: bool,
}

impl Plugin for Onlooker {
    type Config = Config;

    fn configure(Config { name, idle }: Config) -> Result<Self, ConfigError> {
        let spared = match idle {
            true => Spared::REQUEST_BODY | Spared::RESPONSE_BODY,
            false => Spared::empty(),
        };
        Ok(Onlooker { name, spared })
    }

    fn spared(&self) -> Spared {
        self.spared
    }
}

impl Access for Onlooker {
    fn authorize(&self, _: &dyn Request) -> Verdict {
        Verdict::Allow(Matched::by("anything"))
    }
}

impl RequestBody for Onlooker {
    fn watch_request(&self, request: &dyn Request, fields: &dyn Fields) -> Option<Watch> {
        assert!(
            fields.set("X-Stays", b"not").is_err(),
            "these are lent to be read"
        );
        self.watch(request, "x-upload", 0)
    }
}

impl ResponseBody for Onlooker {
    fn watch_response(
        &self,
        request: &dyn Request,
        status: u16,
        fields: &dyn Fields,
    ) -> Option<Watch> {
        assert!(!fields.remove("Content-Type"), "these are lent to be read");
        self.watch(request, "x-download", status)
    }
}

impl Onlooker {
    fn watch(&self, request: &dyn Request, field: &str, status: u16) -> Option<Watch> {
        let said = String::from_utf8(request.field(field)?).ok()?;
        let words: Vec<String> = said.split(", ").map(str::to_owned).collect();
        let has = |word: &str| words.iter().any(|said| said == word);
        if has("unseen") {
            return None;
        }
        if has("trap-at-once") {
            panic!("as asked");
        }
        let (holds, changes) = (has("hold"), has("change"));
        let name = self.name.clone();
        let looker = Looker {
            words,
            name,
            status,
            seen: 0,
            kept: Vec::new(),
        };
        let mut watch = Watch::new(looker);
        if holds {
            watch = watch.hold();
        }
        if changes {
            watch = watch.change();
        }
        Some(watch)
    }
}

/// Sees one body.
struct Looker {
    words: Vec<String>,
    name: String,
    status: u16,
    seen: usize,
    kept: Vec<u8>,
}

impl Looker {
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|said| said == word)
    }

    /// Whether `WORD=N` is said, and so many octets have been seen.
    fn is_after(&self, word: &str) -> bool {
        let number = |said: &String| said.strip_prefix(word)?.strip_prefix('=')?.parse().ok();
        let number: Option<usize> = self.words.iter().find_map(number);
        number.is_some_and(|number| self.seen >= number)
    }
}

impl Scan for Looker {
    fn chunk(&mut self, octets: &[u8]) -> Chunk {
        assert!((1..=64 << 10).contains(&octets.len()), "{}", octets.len());
        self.seen += octets.len();
        if self.is_after("trap-after") {
            panic!("as asked");
        }
        if self.is_after("loop-after") {
            loop {
                black_box(());
            }
        }
        if self.has("dawdle") {
            (0..50_000_000).for_each(|n| {
                black_box(n);
            });
        }
        if self.is_after("leak-after") {
            loop {
                self.kept.resize(self.kept.len() + (1 << 20), 1);
                black_box(&self.kept);
            }
        }
        if self.is_after("stop-after") {
            return Chunk::Stop(Denial {
                status: 451,
                message: Some("enough of that".into()),
                ..Denial::by("seen enough")
            });
        }
        if self.is_after("done-after") {
            return Chunk::Done;
        }
        if self.has("upper") {
            return Chunk::Replace(octets.to_ascii_uppercase());
        }
        if self.has("keep") {
            self.kept.extend_from_slice(octets);
            return Chunk::Replace(Vec::new());
        }
        if self.has("swell") {
            return Chunk::Replace(vec![b'x'; (1 << 20) + 1]);
        }
        Chunk::Pass
    }

    fn end(&mut self, all: bool) -> Ending {
        if self.has("tell") {
            let Looker {
                name, status, seen, ..
            } = self;
            let told = format!("{name} saw {seen} octets of {status}, all: {all}");
            log(Level::Info, &told);
        }
        if self.has("stop-at-end") {
            return Ending::Stop(Denial::by("seen all"));
        }
        let mut more = std::mem::take(&mut self.kept);
        if self.has("sign") {
            more.extend_from_slice(format!("[{}]", self.name).as_bytes());
        }
        match more.is_empty() {
            true => Ending::Pass,
            false => Ending::Append(more),
        }
    }
}
