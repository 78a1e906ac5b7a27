//! Who may ask for what: squid's `acl` and `http_access`, in squid's own lines.

mod rules;

use rules::{Config, Reason, Rules};
use wproxy_sdk::{Access, ConfigError, Denial, Matched, Plugin, Request, Verdict};

struct AccessPolicy {
    rules: Rules,
}

wproxy_sdk::export!(AccessPolicy: access);

impl Plugin for AccessPolicy {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        let rules = Rules::new(&config)?;
        Ok(AccessPolicy { rules })
    }
}

impl Access for AccessPolicy {
    fn authorize(&self, request: &dyn Request) -> Verdict {
        let Ok((allow, reason)) = self.rules.decide(request) else {
            return Verdict::Resolve;
        };
        let rule = match reason {
            Reason::Line(line) => format!("/http_access/{line}"),
            Reason::OppositeOfLast => {
                "no http_access line applies: the opposite of the last one".to_owned()
            }
            Reason::PurgeNotNamed => "no acl names the method PURGE".to_owned(),
        };
        match allow {
            true => Verdict::Allow(Matched::by(rule)),
            false => Verdict::Deny(Denial::by(rule)),
        }
    }
}
