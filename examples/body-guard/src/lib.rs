//! Denies uploads that hold a private key, and stops responses that hold a known signature.

mod rules;

use rules::{Found, Hunt, Wanted};
use serde::Deserialize;
use std::sync::Arc;
use wproxy_sdk::bodies::{Chunk, Scan, Watch};
use wproxy_sdk::{
    ConfigError, Denial, Fields, Headers, Plugin, Request, RequestBody, ResponseBody, Spared,
};

struct Guard {
    keys: Arc<Wanted>,
    signatures: Arc<Wanted>,
    plain: bool,
    deny_parts: bool,
    help: Option<String>,
}

wproxy_sdk::export!(Guard: headers, request_body, response_body);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Whether uploads that hold one are denied.
    private_keys: bool,
    /// What no response may hold.
    signatures: Vec<Signature>,
    /// Whether servers are asked for what is not compressed.
    #[serde(default)]
    plain: bool,
    /// Whether parts of a file are stopped.
    #[serde(default)]
    deny_parts: bool,
    /// What somebody reads beside what was found.
    help: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    name: String,
    text: Option<String>,
    hex: Option<String>,
}

impl Plugin for Guard {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        let keys = match config.private_keys {
            true => Wanted::private_keys(),
            false => Wanted::default(),
        };
        let mut signatures = Wanted::default();
        for (index, signature) in config.signatures.into_iter().enumerate() {
            let Signature { name, text, hex } = signature;
            let at = format!("/signatures/{index}");
            let rule = format!("signature {name}");
            let octets = match (text, hex) {
                (Some(text), None) => Some(text.into_bytes()),
                (None, Some(hex)) => rules::octets(&hex),
                _ => None,
            };
            match octets.filter(|octets| octets.len() >= rules::SHORTEST) {
                Some(octets) => signatures.add(&rule, &name, &octets),
                None => {
                    let what = "write a `text` or a `hex` of 4 octets or more";
                    return Err(ConfigError::new(at, what));
                }
            }
        }
        Ok(Guard {
            keys: Arc::new(keys),
            signatures: Arc::new(signatures),
            plain: config.plain,
            deny_parts: config.deny_parts,
            help: config.help,
        })
    }

    fn spared(&self) -> Spared {
        let mut spared = Spared::RESPONSE_HEADERS;
        if self.keys.is_empty() {
            spared |= Spared::REQUEST_BODY;
        }
        if self.signatures.is_empty() {
            spared |= Spared::RESPONSE_BODY;
        }
        if self.signatures.is_empty() || !self.plain {
            spared |= Spared::REQUEST_HEADERS;
        }
        spared
    }
}

impl Headers for Guard {
    fn on_request(&self, _: &dyn Request, fields: &dyn Fields) {
        fields.remove("Accept-Encoding");
    }
}

impl RequestBody for Guard {
    fn watch_request(&self, _: &dyn Request, _: &dyn Fields) -> Option<Watch> {
        Some(self.watch(&self.keys, "The upload holds"))
    }
}

impl ResponseBody for Guard {
    fn watch_response(&self, _: &dyn Request, status: u16, _: &dyn Fields) -> Option<Watch> {
        if status == 206 && self.deny_parts {
            let part = Part {
                help: self.help.clone(),
            };
            return Some(Watch::new(part).hold());
        }
        Some(self.watch(&self.signatures, "The response holds"))
    }
}

impl Guard {
    fn watch(&self, wanted: &Arc<Wanted>, what: &'static str) -> Watch {
        let look = Look {
            hunt: Hunt::new(wanted.clone()),
            what,
            help: self.help.clone(),
        };
        Watch::new(look).hold()
    }
}

/// Looks for what is wanted in one body.
struct Look {
    hunt: Hunt,
    /// `The upload holds`
    what: &'static str,
    help: Option<String>,
}

impl Scan for Look {
    fn chunk(&mut self, octets: &[u8]) -> Chunk {
        match self.hunt.next(octets) {
            None => Chunk::Pass,
            Some(Found { rule, name }) => {
                let what = format!("{} {name}, and goes no further.", self.what);
                Chunk::Stop(denial(rule, what, self.help.as_deref()))
            }
        }
    }
}

/// Stops what it sees.
struct Part {
    help: Option<String>,
}

impl Scan for Part {
    fn chunk(&mut self, _: &[u8]) -> Chunk {
        let what = "Files have to be fetched whole here.".to_owned();
        Chunk::Stop(denial("deny_parts", what, self.help.as_deref()))
    }
}

fn denial(rule: &str, what: String, help: Option<&str>) -> Denial {
    let message = match help {
        Some(help) => format!("{what} {help}"),
        None => what,
    };
    Denial {
        message: Some(message),
        ..Denial::by(rule)
    }
}
