//! Counts denied requests by client, in the proxy's own metrics. It is told of them after their end:
//! no client waits for it.

mod rules;

use rules::Clients;
use serde::Deserialize;
use wproxy_sdk::{Completed, ConfigError, Observer, Plugin, metrics};

struct Denied {
    clients: Clients,
}

wproxy_sdk::export!(Denied: observer);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How many clients are counted each for itself.
    clients: u32,
}

impl Plugin for Denied {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        let clients = Clients {
            most: config.clients,
        };
        Ok(Denied { clients })
    }
}

impl Observer for Denied {
    fn on_completed(&self, batch: &[Completed]) {
        for (client, number) in rules::denied(batch) {
            metrics::count("denied", &[("client", self.clients.label(&client))], number);
        }
    }
}
