//! What a plugin implements: [`Plugin`], and a trait for each hook that it serves.

use crate::config::ConfigError;
use crate::glue::bindings;
use crate::http::{Fields, Request};
use crate::observer::Completed;
use serde::de::DeserializeOwned;

pub use bindings::access::exports::wproxy::plugin::access::{Denial, Matched, Question, Verdict};
pub use bindings::base::exports::wproxy::plugin::lifecycle::Spared;
pub use bindings::base::wproxy::plugin::log::Level;
pub use bindings::cache_key::exports::wproxy::plugin::cache_key::Key;
pub use bindings::cache_rules::exports::wproxy::plugin::cache_rules::{
    Decision, Overrides, Refresh,
};

/// A plugin: made from its configuration, once for each instance.
///
/// The host keeps an instance for each of its threads and makes new ones as it likes. Hooks take
/// `&self`, because nothing that an instance remembers is shared or lasting: what a plugin knows,
/// it knows from its configuration.
///
/// ```
/// use serde::Deserialize;
/// use wproxy_sdk::{ConfigError, Plugin};
///
/// struct Quota {
///     octets: u64,
/// }
///
/// #[derive(Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Config {
///     /// At most this much.
///     megabytes: u64,
/// }
///
/// impl Plugin for Quota {
///     type Config = Config;
///
///     fn configure(config: Config) -> Result<Self, ConfigError> {
///         match config.megabytes.checked_mul(1 << 20) {
///             Some(octets) => Ok(Quota { octets }),
///             None => Err(ConfigError::new("/megabytes", "more than can be counted")),
///         }
///     }
/// }
/// ```
pub trait Plugin: Sized + Send + Sync + 'static {
    /// The `[config]` table of its manifest, read by serde; [`NoConfig`](crate::NoConfig) where
    /// there is nothing to configure.
    ///
    /// With `#[serde(deny_unknown_fields)]` a misspelt key is an error that names it, and not a
    /// rule that silently never holds.
    type Config: DeserializeOwned;

    /// Makes an instance, ready for its hooks: what can be checked or computed before the first
    /// request is checked and computed here.
    ///
    /// # Errors
    /// The configuration is wrong: the host shows the line and keeps what it ran before.
    fn configure(config: Self::Config) -> Result<Self, ConfigError>;

    /// Calls that its configuration makes pointless, so that the host can leave them out: of hooks
    /// that would change nothing or answer `pass`. None, unless the plugin says so.
    ///
    /// It has to be the same for every instance of one configuration.
    fn spared(&self) -> Spared {
        Spared::empty()
    }
}

/// May this request pass? Serves the hook `access`: `export!(Type: access)`.
///
/// Asked for every request, CONNECT too, before anything is looked up or sent.
///
/// ```
/// use wproxy_sdk::testing::Sample;
/// use wproxy_sdk::{Access, ConfigError, Denial, NoConfig, Plugin, Request, Verdict};
///
/// /// Nobody asks for what is at an address of the local machine.
/// struct NotHere;
///
/// impl Plugin for NotHere {
///     type Config = NoConfig;
///
///     fn configure(_: NoConfig) -> Result<Self, ConfigError> {
///         Ok(NotHere)
///     }
/// }
///
/// impl Access for NotHere {
///     fn authorize(&self, request: &dyn Request) -> Verdict {
///         match request.addresses() {
///             // The host resolves the name and asks again. It then connects to no other address.
///             None => Verdict::Resolve,
///             Some(all) if all.iter().any(|address| address.is_loopback()) => {
///                 Verdict::Deny(Denial::by("it is on this machine"))
///             }
///             // Nothing against it: the next plugin decides.
///             Some(_) => Verdict::Pass,
///         }
///     }
/// }
///
/// let mut request = Sample::get("http://localhost.example/");
/// assert!(matches!(NotHere.authorize(&request), Verdict::Resolve));
/// request.addresses = Some(vec!["127.0.0.1".parse()?]);
/// assert!(matches!(NotHere.authorize(&request), Verdict::Deny(_)));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// What only others know is asked of a helper, which the proxy's settings name: a service, or a
/// program as squid has them.
///
/// ```
/// use wproxy_sdk::testing::Sample;
/// use wproxy_sdk::{
///     Access, Answer, ConfigError, Denial, Finding, Matched, NoConfig, Plugin, Question, Request,
///     Verdict,
/// };
///
/// /// Those get out whom the directory knows.
/// struct Members;
///
/// impl Plugin for Members {
///     type Config = NoConfig;
///
///     fn configure(_: NoConfig) -> Result<Self, ConfigError> {
///         Ok(Members)
///     }
/// }
///
/// impl Access for Members {
///     fn authorize(&self, request: &dyn Request) -> Verdict {
///         let key = request.client().to_string();
///         match request.answer("directory", &key) {
///             // The host asks, and then calls again.
///             None => Verdict::Lookup(Question::new("directory", key)),
///             Some(answer) if answer.is_found() => Verdict::Allow(Matched::by("a member")),
///             Some(_) => Verdict::Deny(Denial::by("no member")),
///         }
///     }
/// }
///
/// let request = Sample::get("http://example.com/").from("10.0.0.5");
/// assert!(matches!(Members.authorize(&request), Verdict::Lookup(_)));
/// let request = request.answered("directory", "10.0.0.5", Answer::found(&[("user", "ann")]));
/// assert!(matches!(Members.authorize(&request), Verdict::Allow(_)));
/// ```
pub trait Access: Plugin {
    /// Allows or denies it, has nothing to say, or has to know more.
    fn authorize(&self, request: &dyn Request) -> Verdict;
}

/// Changes header fields, in both directions. Serves the hooks `request-headers` and
/// `response-headers`: `export!(Type: headers)`.
///
/// A plugin that has something to do in one direction alone implements that method, and says in
/// [`Plugin::spared`] that the other one need not be called.
///
/// ```
/// use wproxy_sdk::testing::{FieldList, Sample};
/// use wproxy_sdk::{ConfigError, Fields, Headers, NoConfig, Plugin, Request, Spared};
///
/// /// Servers are not told where their visitors come from.
/// struct NoReferer;
///
/// impl Plugin for NoReferer {
///     type Config = NoConfig;
///
///     fn configure(_: NoConfig) -> Result<Self, ConfigError> {
///         Ok(NoReferer)
///     }
///
///     fn spared(&self) -> Spared {
///         Spared::RESPONSE_HEADERS
///     }
/// }
///
/// impl Headers for NoReferer {
///     fn on_request(&self, _: &dyn Request, fields: &dyn Fields) {
///         fields.remove("Referer");
///     }
/// }
///
/// let fields = FieldList::of(&[("Referer", "http://intranet/"), ("Accept", "*/*")]);
/// NoReferer.on_request(&Sample::get("http://example.com/"), &fields);
/// assert_eq!(fields.lines(), ["Accept: */*"]);
/// ```
pub trait Headers: Plugin {
    /// Changes the fields that go to the origin. Not called for CONNECT, nor for what the cache
    /// answers. Called once more for trailers, where a request has some: nothing can be added there.
    fn on_request(&self, request: &dyn Request, fields: &dyn Fields) {
        let _ = (request, fields);
    }

    /// Changes the fields that go to the client, whether they come from the origin, the cache or
    /// the proxy itself. Called for interim responses (1xx) as well, and once more for trailers.
    fn on_response(&self, request: &dyn Request, status: u16, fields: &dyn Fields) {
        let _ = (request, status, fields);
    }
}

/// How long is this response fresh, where it does not say so itself? Serves the hook
/// `cache-rules`: `export!(Type: cache_rules)`.
///
/// ```
/// use wproxy_sdk::testing::{FieldList, Sample};
/// use wproxy_sdk::{
///     CacheRules, ConfigError, Decision, Fields, NoConfig, Overrides, Plugin, Refresh, Request,
/// };
///
/// /// Packages never change: what has their name is that file.
/// struct Packages;
///
/// impl Plugin for Packages {
///     type Config = NoConfig;
///
///     fn configure(_: NoConfig) -> Result<Self, ConfigError> {
///         Ok(Packages)
///     }
/// }
///
/// impl CacheRules for Packages {
///     fn rule_for(&self, request: &dyn Request, _: u16, _: &dyn Fields) -> Decision {
///         const MONTH: u64 = 30 * 86_400;
///         match request.path().ends_with(".deb") {
///             false => Decision::Pass,
///             true => Decision::Refresh(Refresh {
///                 rule: "packages never change".into(),
///                 min: MONTH,
///                 percent: 100,
///                 max: MONTH,
///                 overrides: Overrides::EXPIRE,
///             }),
///         }
///     }
/// }
///
/// let request = Sample::get("http://deb.example.com/hello_2.10-3_amd64.deb");
/// let decision = Packages.rule_for(&request, 200, &FieldList::default());
/// assert!(matches!(decision, Decision::Refresh(_)));
/// ```
pub trait CacheRules: Plugin {
    /// `fields` are the response's, to read: every change is refused.
    fn rule_for(&self, request: &dyn Request, status: u16, fields: &dyn Fields) -> Decision;
}

/// Under which name is the response cached? Serves the hook `cache-key`: `export!(Type: cache_key)`.
///
/// Requests with one key get each other's responses: give it only to what is the same octet for
/// octet.
///
/// ```
/// use wproxy_sdk::testing::Sample;
/// use wproxy_sdk::{CacheKey, ConfigError, Key, NoConfig, Plugin, Request};
///
/// /// The mirrors of one archive all have the same files.
/// struct Mirrors;
///
/// impl Plugin for Mirrors {
///     type Config = NoConfig;
///
///     fn configure(_: NoConfig) -> Result<Self, ConfigError> {
///         Ok(Mirrors)
///     }
/// }
///
/// impl CacheKey for Mirrors {
///     fn key_for(&self, request: &dyn Request) -> Key {
///         match request.host().ends_with(".mirror.example.com") {
///             true => Key::Named(format!("mirrors{}", request.path())),
///             false => Key::Pass,
///         }
///     }
/// }
///
/// let key = |uri| Mirrors.key_for(&Sample::get(uri));
/// let name = "mirrors/a.iso";
/// assert!(matches!(key("http://de.mirror.example.com/a.iso"), Key::Named(key) if key == name));
/// assert!(matches!(key("http://us.mirror.example.com/a.iso"), Key::Named(key) if key == name));
/// assert!(matches!(key("http://www.example.com/a.iso"), Key::Pass));
/// ```
pub trait CacheKey: Plugin {
    /// The key, or nothing to say, or that the cache must have nothing to do with it.
    fn key_for(&self, request: &dyn Request) -> Key;
}

/// What became of transactions? Serves the hook `observer`: `export!(Type: observer)`.
///
/// Told after their end, in batches, on a thread of its own: no client waits for it, and none sees
/// it fail. What it can do with what it knows is what it is granted: counters and histograms in the
/// proxy's [`metrics`](crate::metrics), values in [`kv`](crate::kv), lines in the [`log`].
///
/// ```
/// use wproxy_sdk::testing::completed;
/// use wproxy_sdk::{Completed, ConfigError, NoConfig, Observer, Plugin, metrics};
///
/// /// How long tunnels last.
/// struct Tunnels;
///
/// impl Plugin for Tunnels {
///     type Config = NoConfig;
///
///     fn configure(_: NoConfig) -> Result<Self, ConfigError> {
///         Ok(Tunnels)
///     }
/// }
///
/// impl Observer for Tunnels {
///     fn on_completed(&self, batch: &[Completed]) {
///         for tunnel in batch.iter().filter(|completed| is_tunnel(completed)) {
///             metrics::observe("tunnel_seconds", &[], tunnel.elapsed.as_secs_f64());
///         }
///     }
/// }
///
/// fn is_tunnel(completed: &Completed) -> bool {
///     completed.code == "TCP_TUNNEL"
/// }
///
/// let mut ended = completed("example.com:443");
/// assert!(!is_tunnel(&ended));
/// ended.code = "TCP_TUNNEL".into();
/// assert!(is_tunnel(&ended));
/// ```
pub trait Observer: Plugin {
    /// One transaction at least, those of one connection in their order. Each comes once.
    fn on_completed(&self, batch: &[Completed]);
}

impl Denial {
    /// 403 by that rule, in the host's own words. The rule is a JSON Pointer into the configuration
    /// (`/http_access/3`) where a line of that decided: the host then shows the line itself.
    pub fn by(rule: impl Into<String>) -> Self {
        Denial {
            rule: rule.into(),
            status: 403,
            message: None,
        }
    }
}

impl Question {
    /// Of that helper, about that key.
    pub fn new(helper: impl Into<String>, key: impl Into<String>) -> Self {
        Question {
            helper: helper.into(),
            key: key.into(),
        }
    }
}

impl Matched {
    /// Allowed by that rule, named as in [`Denial::by`].
    pub fn by(rule: impl Into<String>) -> Self {
        Matched { rule: rule.into() }
    }
}

/// A line in the proxy's own log, tagged with the plugin's name. Not the access log.
///
/// Outside wasm, where the logic is tested, it does nothing.
pub fn log(level: Level, message: &str) {
    #[cfg(target_family = "wasm")]
    bindings::base::wproxy::plugin::log::write(level, message);
    #[cfg(not(target_family = "wasm"))]
    let _ = (level, message);
}
