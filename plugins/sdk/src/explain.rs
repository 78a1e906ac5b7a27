//! How a plugin comes to what it says: for `wproxy explain`.

use crate::glue::bindings;
use crate::hooks::Plugin;
use crate::http::Request;

pub use bindings::explain::exports::wproxy::plugin::explain::{Condition, LookedAt, Outcome};

/// Which rules are looked at for a request, and what comes of each? `export!(Type: access, explain)`.
///
/// It is no hook: nobody's request waits for it. `wproxy explain` asks an instance of its own, and
/// shows each rule in the words of its line, with its conditions. A plugin without it is shown with
/// its answers alone.
///
/// What the hooks do and what is said of it should be one piece of code, or people will be told one
/// thing and clients another. Here both are `looks`:
///
/// ```
/// use serde::Deserialize;
/// use wproxy_sdk::testing::{Sample, configure};
/// use wproxy_sdk::{
///     Access, ConfigError, Denial, Explain, LookedAt, Outcome, Plugin, Request, Verdict,
/// };
///
/// /// Nobody asks for these hosts.
/// #[derive(Deserialize)]
/// struct Closed {
///     hosts: Vec<String>,
/// }
///
/// impl Closed {
///     /// Each host up to the one that is asked for, with whether it is that.
///     fn looks(&self, request: &dyn Request) -> impl Iterator<Item = (String, bool)> {
///         let asked = request.host().to_owned();
///         let mut found = false;
///         let looks = self.hosts.iter().enumerate().map(move |(index, host)| {
///             (format!("/hosts/{index}"), *host == asked)
///         });
///         looks.take_while(move |(_, is_it)| !std::mem::replace(&mut found, *is_it))
///     }
/// }
///
/// impl Plugin for Closed {
///     type Config = Closed;
///
///     fn configure(config: Closed) -> Result<Self, ConfigError> {
///         Ok(config)
///     }
/// }
///
/// impl Access for Closed {
///     fn authorize(&self, request: &dyn Request) -> Verdict {
///         match self.looks(request).find(|(_, is_it)| *is_it) {
///             Some((rule, _)) => Verdict::Deny(Denial::by(rule)),
///             None => Verdict::Pass,
///         }
///     }
/// }
///
/// impl Explain for Closed {
///     fn trace(&self, request: &dyn Request) -> Vec<LookedAt> {
///         let looked_at = |(rule, is_it): (String, bool)| {
///             let why = format!("host {}", request.host());
///             LookedAt::new("access", rule).condition("it is this host", Some(is_it), why)
///         };
///         self.looks(request).map(looked_at).collect()
///     }
/// }
///
/// let closed: Closed = configure(r#"{ "hosts": ["a.example", "b.example", "c.example"] }"#)?;
/// let trace = closed.trace(&Sample::get("http://b.example/"));
/// assert_eq!(trace.len(), 2);
/// assert!(matches!(trace[0].outcome, Outcome::DoesNotApply));
/// assert_eq!(trace[1].rule, "/hosts/1");
/// assert!(matches!(trace[1].outcome, Outcome::Decides));
/// # Ok::<(), ConfigError>(())
/// ```
pub trait Explain: Plugin {
    /// The rules that the hooks look at for this request, in the order in which they do, up to the
    /// one that decides. What they cannot know without the response is left out.
    fn trace(&self, request: &dyn Request) -> Vec<LookedAt>;
}

// === impl LookedAt ===

impl LookedAt {
    /// A rule of that hook, named as in [`Denial::by`](crate::Denial::by). Without conditions, it
    /// decides.
    pub fn new(hook: &str, rule: impl Into<String>) -> Self {
        LookedAt {
            hook: hook.into(),
            rule: rule.into(),
            outcome: Outcome::Decides,
            conditions: Vec::new(),
        }
    }

    /// The same with one more condition: whether it holds, none where that depends on
    /// what is not known, and what was compared with what. A rule decides where all of them hold.
    #[must_use]
    pub fn condition(
        mut self,
        text: impl Into<String>,
        holds: Option<bool>,
        why: impl Into<String>,
    ) -> Self {
        self.outcome = match (self.outcome, holds) {
            (outcome, Some(true)) => outcome,
            (Outcome::DoesNotApply, _) | (_, Some(false)) => Outcome::DoesNotApply,
            (_, None) => Outcome::Undecided,
        };
        self.conditions.push(Condition {
            text: text.into(),
            holds,
            why: why.into(),
        });
        self
    }
}
