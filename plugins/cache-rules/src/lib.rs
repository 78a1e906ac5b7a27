//! What is fresh for how long: squid's `refresh_pattern`, in squid's own lines.

mod rules;

use rules::{Config, Rules};
use wproxy_sdk::{
    CacheRules, ConfigError, Decision, Explain, Fields, LookedAt, Plugin, Refresh, Request, Spared,
};

struct RefreshPatterns {
    rules: Rules,
}

wproxy_sdk::export!(RefreshPatterns: cache_rules, explain);

impl Plugin for RefreshPatterns {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        let rules = Rules::new(&config)?;
        Ok(RefreshPatterns { rules })
    }

    fn spared(&self) -> Spared {
        match self.rules.overrule_storage() {
            true => Spared::empty(),
            false => Spared::UNSTORABLE,
        }
    }
}

impl CacheRules for RefreshPatterns {
    fn rule_for(&self, request: &dyn Request, _status: u16, _fields: &dyn Fields) -> Decision {
        let (rule, freshness) = self.rules.choose(request.uri());
        Decision::Refresh(Refresh {
            rule: rule.to_owned(),
            min: freshness.min,
            percent: freshness.percent,
            max: freshness.max,
            overrides: freshness.overrides,
        })
    }
}

impl Explain for RefreshPatterns {
    fn trace(&self, request: &dyn Request) -> Vec<LookedAt> {
        self.rules.trace(request.uri())
    }
}
