//! Who may ask for what: squid's `acl` and `http_access`, in squid's own lines.

mod rules;

use rules::{Config, Rules};
use wproxy_sdk::acl::NeedsAddresses;
use wproxy_sdk::{
    Access, ConfigError, Denial, Explain, LookedAt, Matched, Plugin, Request, Verdict,
};

struct AccessPolicy {
    rules: Rules,
}

wproxy_sdk::export!(AccessPolicy: access, explain);

impl Plugin for AccessPolicy {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        let rules = Rules::new(&config)?;
        Ok(AccessPolicy { rules })
    }
}

impl Access for AccessPolicy {
    fn authorize(&self, request: &dyn Request) -> Verdict {
        match self.rules.decide(request) {
            Ok((true, rule)) => Verdict::Allow(Matched::by(rule)),
            Ok((false, rule)) => Verdict::Deny(Denial::by(rule)),
            Err(NeedsAddresses) => Verdict::Resolve,
        }
    }
}

impl Explain for AccessPolicy {
    fn trace(&self, request: &dyn Request) -> Vec<LookedAt> {
        self.rules.trace(request)
    }
}
