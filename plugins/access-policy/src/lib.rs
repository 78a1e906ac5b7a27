//! Who may ask for what: squid's `acl` and `http_access`, in squid's own lines.

mod rules;

use rules::{Config, Decision, Rules};
use wproxy_sdk::acl::Undecided;
use wproxy_sdk::{
    Access, ConfigError, Denial, Explain, LookedAt, Matched, Plugin, Question, Request, Verdict,
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

/// Proxy-Authenticate, where who is asking decides.
const CHALLENGE: &str = "Basic realm=\"proxy\", charset=\"UTF-8\"";

impl Access for AccessPolicy {
    fn authorize(&self, request: &dyn Request) -> Verdict {
        match self.rules.decide(request) {
            Ok(Decision {
                allow: true, rule, ..
            }) => Verdict::Allow(Matched::by(rule)),
            Ok(Decision {
                about_login: true, ..
            })
            | Err(Undecided::Credentials) => Verdict::Authenticate(CHALLENGE.into()),
            Ok(Decision { rule, message, .. }) => Verdict::Deny(Denial {
                message,
                ..Denial::by(rule)
            }),
            Err(Undecided::Addresses) => Verdict::Resolve,
            Err(Undecided::Answer { helper, key }) => Verdict::Lookup(Question::new(helper, key)),
            Err(Undecided::Failed { helper, message }) => Verdict::Deny(failed(&helper, message)),
        }
    }
}

impl Explain for AccessPolicy {
    fn trace(&self, request: &dyn Request) -> Vec<LookedAt> {
        self.rules.trace(request)
    }
}

/// Nobody knows whether it may: not for lack of a right, and perhaps not for long.
fn failed(helper: &str, message: Option<String>) -> Denial {
    let why = message.map(|message| format!(" ({message})"));
    let why = why.unwrap_or_default();
    Denial {
        status: 503,
        message: Some(format!(
            "whether you may is for the helper `{helper}` to say, and it does not{why}"
        )),
        ..Denial::by(format!("the helper `{helper}` failed"))
    }
}
