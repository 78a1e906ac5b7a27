//! Serves every hook of version 0.1 of the WIT, as its authors did: without the SDK of today.

#![expect(unsafe_code, reason = "what the macros write is not ours")]

mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/0.1",
        world: "policy-plugin",
    });
}

use bindings::exports::wproxy::plugin::access::{self, Denial, Matched, Verdict};
use bindings::exports::wproxy::plugin::cache_rules::{self, Decision, Overrides, Refresh};
use bindings::exports::wproxy::plugin::lifecycle::{self, ConfigError};
use bindings::exports::wproxy::plugin::{request_headers, response_headers};
use bindings::wproxy::plugin::http::FieldError;
use bindings::wproxy::plugin::http::{Fields, IpAddress, Request};
use bindings::wproxy::plugin::log::{self, Level};

struct Older;

bindings::export!(Older with_types_in bindings);

impl lifecycle::Guest for Older {
    fn configure(config: String) -> Result<(), ConfigError> {
        match config.as_str() {
            r#"{"mood":"good"}"# => Ok(()),
            _ => Err(ConfigError {
                at: "/mood".into(),
                message: "it has to be good".into(),
            }),
        }
    }
}

impl access::Guest for Older {
    fn authorize(request: &Request) -> Verdict {
        let rule = format!("{} {}", request.method(), request.scheme());
        log::write(Level::Info, &format!("asked for {}", request.uri()));
        match request.path().as_str() {
            "/denied" => Verdict::Deny(Denial {
                message: Some(format!("{rule}: {}", client(request.client()))),
                rule,
                status: 451,
            }),
            _ => Verdict::Allow(Matched { rule }),
        }
    }
}

fn client(address: IpAddress) -> String {
    match address {
        IpAddress::V4((a, b, c, d)) => format!("not for {a}.{b}.{c}.{d}"),
        IpAddress::V6(_) => "not for you".to_owned(),
    }
}

impl request_headers::Guest for Older {
    fn on_request(_: &Request, fields: &Fields) {
        let owned = fields.set("Host", b"elsewhere") == Err(FieldError::HostOwned);
        let removed = fields.remove("X-Secret") && !fields.has("X-Secret");
        let _ = fields.append("X-Older", format!("{owned} {removed}").as_bytes());
    }
}

impl response_headers::Guest for Older {
    fn on_response(request: &Request, status: u16, fields: &Fields) {
        let lines = fields.entries().len();
        let told = format!("{status} {} {}", request.method(), lines > 0);
        let _ = fields.set("X-Older", told.as_bytes());
    }
}

impl cache_rules::Guest for Older {
    fn rule_for(_: &Request, _: u16, fields: &Fields) -> Decision {
        match fields.get("X-Store").is_empty() {
            true => Decision::NeverStore("nothing says so".into()),
            false => Decision::Refresh(Refresh {
                rule: "an hour".into(),
                min: 3600,
                percent: 0,
                max: 3600,
                overrides: Overrides::empty(),
            }),
        }
    }
}
