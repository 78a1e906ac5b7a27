//! Does with its store what a request's path asks for, `/set/KEY/VALUE/SECONDS` and so on, and says
//! as the rule what came of it. `/has/...` asks its set `odd`, where it has one, for the path.

use std::time::Duration;
use wproxy_sdk::sets::{Kind, Set};
use wproxy_sdk::{Access, ConfigError, Denial, NoConfig, Plugin, Request, Verdict, kv};

struct Keeper {
    odd: Option<Set>,
}

wproxy_sdk::export!(Keeper: access);

impl Plugin for Keeper {
    type Config = NoConfig;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Keeper {
            odd: Set::find("odd", Kind::Regexes).ok(),
        })
    }
}

impl Access for Keeper {
    fn authorize(&self, request: &dyn Request) -> Verdict {
        let path: Vec<&str> = request.path().split('/').collect();
        let seconds = |text: &str| Duration::from_secs(text.parse().unwrap_or(0));
        let said = match *path {
            ["", "get", key] => match kv::get(key) {
                Some(value) => format!("is {}", String::from_utf8_lossy(&value)),
                None => "is nothing".to_owned(),
            },
            ["", "set", key, value, ttl] => said(kv::set(key, value.as_bytes(), seconds(ttl))),
            ["", "large", key, octets] => {
                let value = vec![0; octets.parse().unwrap_or(0)];
                said(kv::set(key, &value, Duration::from_secs(3600)))
            }
            ["", "add", key, by, ttl] => {
                let by = by.parse().unwrap_or(0);
                let counted = kv::increment(key, by, seconds(ttl));
                said(counted.map(|counted| format!("{} for {:?}", counted.value, counted.left)))
            }
            ["", "remove", key] => format!("removed {}", kv::remove(key)),
            ["", "has", ..] => match &self.odd {
                Some(odd) => odd.contains(request.path()).to_string(),
                None => "no set".to_owned(),
            },
            ["", "fail", key] => {
                let _ = kv::increment(key, 1, Duration::from_secs(3600));
                panic!("as asked");
            }
            _ => return Verdict::Pass,
        };
        Verdict::Deny(Denial::by(said))
    }
}

fn said(done: Result<impl std::fmt::Debug, kv::Refusal>) -> String {
    match done {
        Ok(done) => format!("{done:?}"),
        Err(refusal) => format!("{refusal:?}: {refusal}"),
    }
}
