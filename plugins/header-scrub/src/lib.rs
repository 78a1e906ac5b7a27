//! What leaves in the header: squid's `request_header_access`, `reply_header_access` and the
//! replacements for what they deny, in squid's own lines.

mod known;
mod rules;

use rules::{Config, Rules};
use wproxy_sdk::{ConfigError, Explain, Fields, Headers, LookedAt, Plugin, Request, Spared};

struct HeaderScrub {
    rules: Rules,
}

wproxy_sdk::export!(HeaderScrub: headers, explain);

impl Plugin for HeaderScrub {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        let rules = Rules::new(&config)?;
        Ok(HeaderScrub { rules })
    }

    fn spared(&self) -> Spared {
        let mut spared = Spared::empty();
        spared.set(Spared::REQUEST_HEADERS, !self.rules.can_edit_request());
        spared.set(Spared::RESPONSE_HEADERS, !self.rules.can_edit_reply());
        spared
    }
}

impl Headers for HeaderScrub {
    fn on_request(&self, request: &dyn Request, fields: &dyn Fields) {
        self.rules.edit_request(request, fields);
    }

    fn on_response(&self, request: &dyn Request, _status: u16, fields: &dyn Fields) {
        self.rules.edit_reply(request, fields);
    }
}

impl Explain for HeaderScrub {
    fn trace(&self, request: &dyn Request) -> Vec<LookedAt> {
        self.rules.trace(request)
    }
}
