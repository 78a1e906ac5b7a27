//! `explain`, of a request that is over; and what an explanation is made of, wherever it comes from.

mod secrets;
mod wire;

pub use wire::{
    Asked, Condition, Decision, Explain, Explained, HelperSaid, Outcome, PluginAsked, Rule,
    RuleOutcome, Verdict,
};

use super::answer::{Answer, Refusal};
use super::moment;
use crate::admit::asked_again;
use crate::app::App;
use crate::error::Failure;
use crate::generation::{Account, Admission, Explanation, Generation, Told};
use crate::helper::{self, Question};
use crate::http::Host;
use crate::plugin::{self, LookedAt};
use crate::recent::{Past, Reach, Recent};
use crate::transaction::Request;
use secrets::Secrets;
use std::sync::Arc;
use std::time::SystemTime;

/// Explains a request that is over.
///
/// # Errors
/// It is not remembered.
pub(super) fn explain(app: &App, asked: &Explain, answer: &mut Answer) -> Result<(), Refusal> {
    let recent = app.recent.as_ref().ok_or_else(|| {
        Refusal::new(
            "this proxy does not remember requests: by its settings, explain_requests is 0",
            "set it to a number and restart the proxy",
        )
    })?;
    let now = SystemTime::now();
    let past = recent
        .find(asked.id)
        .ok_or_else(|| not_remembered(asked.id, recent, now))?;
    let alive = app.generations.alive().into_iter();
    let mut alive = alive.map(|alive| alive.generation);
    let decided = alive.find(|alive| alive.id() == past.generation);
    let is_over = decided.is_none();
    let generation = decided.unwrap_or_else(|| app.generation());
    let explanation = generation.explain(&past.request);
    let strip_query = app.settings.strip_query_terms;
    let mut explained = Explained::of(&past.request, &generation, &explanation, strip_query);
    let secrets = Secrets::of(&past.request, strip_query);
    explained.past = Some(Outcome::of(&past, is_over, &secrets));
    explained.request.id = Some(past.request.id);
    explained
        .request
        .answers
        .iter_mut()
        .for_each(HelperSaid::hide);
    let _ = answer.line(&explained);
    Ok(())
}

fn not_remembered(id: u64, recent: &Recent, now: SystemTime) -> Refusal {
    let Reach { requests, since } = recent.reach();
    let memory = match since {
        None => "none is".to_owned(),
        Some(since) => {
            let ago = now.duration_since(since).unwrap_or_default().as_secs();
            let since = moment(since);
            format!("of the last {requests}, the oldest came at {since}, {ago} s ago")
        }
    };
    Refusal::new(
        format!("request {id} is not remembered: {memory}"),
        "it is older, or not over yet, or another proxy's; how many are remembered, explain_requests \
         and explain_mem say",
    )
}

// === impl Explained ===

impl Explained {
    /// What that generation says of that request.
    pub fn of(
        request: &Request,
        generation: &Generation,
        explanation: &Explanation,
        strip_query: bool,
    ) -> Explained {
        let secrets = Secrets::of(request, strip_query);
        let accounts = explanation.accounts.iter();
        Explained {
            request: Asked::of(request, &secrets),
            past: None,
            generation: generation.id(),
            asked: accounts
                .map(|account| PluginAsked::of(account, &secrets))
                .collect(),
            verdict: Verdict::of(request, &explanation.verdict, &secrets),
        }
    }
}

// === impl Asked ===

impl Asked {
    fn of(request: &Request, secrets: &Secrets) -> Asked {
        let name = match &request.target.host {
            Host::Name(name) => Some(name.to_string()),
            Host::Address(_) => None,
        };
        let resolved = request.resolved();
        Asked {
            id: None,
            method: request.method.to_string(),
            uri: secrets.hidden(request.uri()),
            name,
            client: request.client.ip().to_canonical(),
            received: moment(request.received),
            addresses: request.addresses().map(<[_]>::to_vec),
            no_addresses: resolved.and_then(|resolved| Some(resolved.as_ref().err()?.to_string())),
            answers: request.answers().iter().map(HelperSaid::from).collect(),
        }
    }
}

// === impl HelperSaid ===

impl HelperSaid {
    /// Passwords can be in questions, and who knows what in answers.
    fn hide(&mut self) {
        self.key = None;
        let finding = self.answer.split(' ').next().unwrap_or_default();
        self.answer = finding.to_owned();
    }
}

impl From<&(Question, Arc<helper::Answer>)> for HelperSaid {
    fn from((question, answer): &(Question, Arc<helper::Answer>)) -> HelperSaid {
        HelperSaid {
            helper: question.helper.clone(),
            key: Some(question.key.clone()),
            answer: answer.to_string(),
        }
    }
}

// === impl Outcome ===

impl Outcome {
    fn of(past: &Past, is_over: bool, secrets: &Secrets) -> Outcome {
        let aborted = if past.aborted { "_ABORTED" } else { "" };
        Outcome {
            code: format!("{}{aborted}", past.code.as_str()),
            status: past.status,
            generation: past.generation,
            is_over,
            rule: past.rule.as_ref().map(|rule| secrets.without(rule.clone())),
            error: past.error.map(str::to_owned),
            elapsed: u64::try_from(past.elapsed.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

// === impl PluginAsked ===

impl PluginAsked {
    fn of(account: &Account, secrets: &Secrets) -> PluginAsked {
        let (explains, failure, rules) = match &account.told {
            Told::Rules(rules) => (true, None, &rules[..]),
            Told::Nothing => (false, None, &[][..]),
            Told::Failed(reason) => (true, Some(secrets.hidden(reason)), &[][..]),
        };
        let said = account.said.as_ref();
        PluginAsked {
            plugin: account.plugin.to_string(),
            hook: account.hook.to_string(),
            explains,
            failure,
            rules: rules.iter().map(|rule| Rule::of(rule, secrets)).collect(),
            said: said.map(|said| secrets.hidden(&said.text)),
            by: said
                .and_then(|said| said.rule.as_ref())
                .map(|rule| secrets.without(rule.clone())),
        }
    }
}

// === impl Rule ===

impl Rule {
    fn of(looked_at: &LookedAt, secrets: &Secrets) -> Rule {
        let rule = secrets.without(looked_at.rule.clone());
        let condition = |condition: &plugin::Condition| Condition {
            condition: condition.text.clone(),
            holds: condition.holds,
            why: secrets.hidden(&condition.why),
        };
        Rule {
            rule: rule.text.to_string(),
            at: rule.location.as_ref().map(ToString::to_string),
            outcome: match looked_at.outcome {
                plugin::Outcome::DoesNotApply => RuleOutcome::DoesNotApply,
                plugin::Outcome::Applies => RuleOutcome::Applies,
                plugin::Outcome::Decides => RuleOutcome::Decides,
                plugin::Outcome::Undecided => RuleOutcome::Undecided,
            },
            conditions: looked_at.conditions.iter().map(condition).collect(),
        }
    }
}

// === impl Verdict ===

impl Verdict {
    fn of(request: &Request, verdict: &Result<Admission, Failure>, secrets: &Secrets) -> Verdict {
        match verdict {
            Ok(Admission::Allowed(rule)) => Verdict {
                verdict: Decision::Allow,
                status: None,
                reason: None,
                by: Some(secrets.without(rule.clone())),
            },
            Ok(Admission::NeedsAddresses) if request.addresses().is_some() => {
                Verdict::of(request, &Err(asked_again()), secrets)
            }
            Ok(want @ (Admission::NeedsAddresses | Admission::NeedsAnswer(_))) => Verdict {
                verdict: Decision::Undecided,
                status: None,
                reason: Some(match want {
                    Admission::NeedsAnswer(Question { helper, .. }) => {
                        format!("the helper `{helper}` has not been asked")
                    }
                    _ => "the destination's addresses are not known".into(),
                }),
                by: None,
            },
            Err(failure) => Verdict {
                verdict: Decision::Deny,
                status: Some(failure.face().status.as_u16()),
                reason: match failure.rule() {
                    Some(_) => None,
                    None => Some(secrets.hidden(&failure.to_string())),
                },
                by: failure.rule().map(|rule| secrets.without(rule.clone())),
            },
        }
    }
}
