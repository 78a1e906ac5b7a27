//! Lets requests to the domains of a list pass, and no others. The list is a file in a directory
//! that the manifest grants.

mod rules;

use rules::{Domains, Entry};
use serde::Deserialize;
use wproxy_sdk::{Access, ConfigError, Denial, Matched, Plugin, Request, Verdict, metrics};

struct AllowList {
    file: String,
    domains: Domains,
    help: Option<String>,
}

wproxy_sdk::export!(AllowList: access);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The list, as the plugin sees it: in a directory that was granted.
    file: String,
    /// What somebody reads whose request is denied.
    help: Option<String>,
}

impl Plugin for AllowList {
    type Config = Config;

    fn configure(Config { file, help }: Config) -> Result<Self, ConfigError> {
        let wrong = |message| ConfigError::new("/file", message);
        let text = std::fs::read_to_string(&file)
            .map_err(|error| wrong(format!("cannot read {file}: {error}")))?;
        let domains = Domains::parse(&text)
            .map_err(|mistake| wrong(format!("{file}:{}: {}", mistake.line, mistake.what)))?;
        Ok(AllowList {
            file,
            domains,
            help,
        })
    }
}

impl Access for AllowList {
    fn authorize(&self, request: &dyn Request) -> Verdict {
        let host = request.host();
        match self.domains.find(host) {
            Some(Entry { domain, line }) => {
                Verdict::Allow(Matched::by(format!("{domain} ({}:{line})", self.file)))
            }
            None => {
                metrics::count("denied", &[], 1);
                Verdict::Deny(Denial {
                    message: self
                        .help
                        .as_ref()
                        .map(|help| format!("{host} is not on the list. {help}")),
                    ..Denial::by(format!("not in {}", self.file))
                })
            }
        }
    }
}
