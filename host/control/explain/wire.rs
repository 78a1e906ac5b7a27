//! What is said through the control socket: the question, and an explanation.

use crate::plugin;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The request's number.
    pub id: u64,
}

/// Every rule that is looked at for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// What is asked for.
    pub request: Asked,
    /// What became of it; none of a request that was never made.
    pub past: Option<Outcome>,
    /// The generation whose rules these are.
    pub generation: u64,
    /// In the order in which the plugins are asked.
    pub asked: Vec<PluginAsked>,
    /// What these rules make of it.
    pub verdict: Verdict,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its number; none of a request that was never made.
    pub id: Option<u64>,
    /// Case kept.
    pub method: String,
    /// Without query where the access log has none.
    pub uri: String,
    /// Its host, where that is a name.
    pub name: Option<String>,
    /// Who asks.
    pub client: IpAddr,
    /// As `2026-11-24T21:50:03Z`.
    pub received: String,
    /// The destination's addresses; none where nobody wanted to know.
    pub addresses: Option<Vec<IpAddr>>,
    /// Why there is none, where there is none.
    pub no_addresses: Option<String>,
    /// What helpers have said.
    pub answers: Vec<HelperSaid>,
}

/// A question to a helper, and the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelperSaid {
    /// The helper's name.
    pub helper: String,
    /// What it was asked; none of a request that was served, because it can be a secret.
    pub key: Option<String>,
    /// `OK`, `ERR`, `BH`; of a request that was never made, with what was said beside it.
    pub answer: String,
}

/// What became of a request, as the access log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// squid's code.
    pub code: String,
    /// That the client got; 0 where it got none.
    pub status: u16,
    /// The generation that decided.
    pub generation: u64,
    /// Whether that is still there: else it is another one's rules that are shown.
    pub is_over: bool,
    /// The rule that decided then.
    pub rule: Option<plugin::Rule>,
    /// What went wrong, in RFC 9209's words.
    pub error: Option<String>,
    /// Milliseconds.
    pub elapsed: u64,
}

/// A plugin in one of its hooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginAsked {
    /// Its name.
    pub plugin: String,
    /// The hook.
    pub hook: String,
    /// Whether it says how it comes to its answers.
    pub explains: bool,
    /// Why it could not, though it does.
    pub failure: Option<String>,
    /// The rules that it looks at, in order.
    pub rules: Vec<Rule>,
    /// What it says: `allow`, `deny 403`, `pass`, ... None where that depends on the response.
    pub said: Option<String>,
    /// By which rule.
    pub by: Option<plugin::Rule>,
}

/// A rule that is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `http_access deny all`
    pub rule: String,
    /// File and line, where it stands in one.
    pub at: Option<String>,
    /// What comes of it.
    pub outcome: RuleOutcome,
    /// Its conditions, up to the first that does not hold.
    pub conditions: Vec<Condition>,
}

/// What comes of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleOutcome {
    /// A condition does not hold.
    DoesNotApply,
    /// It applies, and others are looked at all the same.
    Applies,
    /// It applies, and that is it.
    Decides,
    /// The destination's addresses, or what a helper says, would have to be known.
    Undecided,
}

/// A condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// As the rule has it: `!Safe_ports`.
    pub condition: String,
    /// Whether it holds; none where something would have to be known for that.
    pub holds: Option<bool>,
    /// What was compared with what.
    pub why: String,
}

/// What the rules make of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which.
    pub verdict: Decision,
    /// That the client gets, where it is denied.
    pub status: Option<u16>,
    /// Why it is denied, where no rule says so.
    pub reason: Option<String>,
    /// The rule that decides.
    pub by: Option<plugin::Rule>,
}

/// Whether it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It may.
    Allow,
    /// It may not.
    Deny,
    /// The destination's addresses, or what a helper says, would have to be known.
    Undecided,
}
