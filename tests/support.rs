//! An origin, a proxy and a client: all that a test needs.

pub(crate) mod client;
pub(crate) mod numbered;
pub(crate) mod origin;
pub(crate) mod proxy;
pub(crate) mod registry;
pub(crate) mod tls;

pub(crate) use client::{Connection, Response};
pub(crate) use origin::{Origin, Seen, Then};
pub(crate) use proxy::{Proxy, wproxy};

use std::time::Duration;

/// How long a test waits for what has to come. It is never waited for in vain where all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Clients and origins are on loopback, on any port but 25.
pub(crate) const OPEN_POLICY: &str = r#"
[plugins.access-policy]
acl = ["localhost src 127.0.0.0/8 ::1", "manager proto cache_object", "unsafe port 25"]
http_access = ["deny unsafe", "allow localhost", "deny all"]
"#;
