//! May this request pass? The access hook decides, with the destination's addresses and helpers'
//! answers where it wants them.

use crate::app::App;
use crate::error::Failure;
use crate::generation::{Admission, Generation};
use crate::helper::{Answer, Question};
use crate::notes::Access;
use crate::plugin::{Denial, Hook, Rule};
use crate::transaction::{Request, Transaction};
use crate::upstream::Upstreams;
use std::sync::Arc;

/// What is found out so that one decision can be made.
#[derive(Debug, Default)]
pub struct Inquiry {
    lookups: usize,
}

/// Questions to helpers about one request.
const MAX_LOOKUPS: usize = 8;

/// Asks the access hook. The server is then connected to at exactly the addresses that it has seen,
/// where it has.
///
/// # Errors
/// It may not.
pub async fn admit(app: &App, transaction: &mut Transaction) -> Result<(), Failure> {
    let (generation, request) = (&transaction.generation, &transaction.request);
    let admission = decide(generation, request, &app.upstreams).await;
    // The plugins say so themselves, where it is they who forbid it.
    if let (Err(failure), Some(notebook)) = (&admission, request.notebook_of(Hook::Access)) {
        notebook.note(|notes| notes.access = Access::refused(failure));
    }
    let outcome = &mut transaction.entry.outcome;
    // Now: whoever is asked about the request later decides nothing.
    outcome.user = request.user().cloned();
    match admission {
        Ok(rule) => {
            outcome.rule = Some(rule);
            Ok(())
        }
        Err(failure) => {
            outcome.rule = failure.rule().cloned();
            Err(failure)
        }
    }
}

/// Asks that generation's access hook, finds out what it wants to know, and asks again, until it has
/// decided: by which rule the request may pass.
///
/// # Errors
/// It may not.
pub async fn decide(
    generation: &Generation,
    request: &Arc<Request>,
    upstreams: &Arc<Upstreams>,
) -> Result<Rule, Failure> {
    let mut inquiry = Inquiry::default();
    loop {
        let want = match generation.authorize(request)? {
            Admission::Allowed(rule) => return Ok(rule),
            want => want,
        };
        let found = inquiry.find_out(want, generation, request, upstreams);
        found.await?;
    }
}

/// What it means that a plugin asks for addresses that it was given.
pub fn asked_again() -> Failure {
    denied("a plugin asked for addresses that it was given")
}

// === impl Inquiry ===

impl Inquiry {
    /// Finds out what the access hook wants to know. It stays with the request, so that whoever
    /// asks about that again need not wait.
    ///
    /// # Errors
    /// It knows already, cannot know, or wants too much: the request is denied.
    pub async fn find_out(
        &mut self,
        want: Admission,
        generation: &Generation,
        request: &Request,
        upstreams: &Arc<Upstreams>,
    ) -> Result<(), Failure> {
        match want {
            Admission::Allowed(_) => {}
            Admission::NeedsAddresses if request.addresses().is_some() => {
                return Err(asked_again());
            }
            Admission::NeedsAddresses => {
                // No address is an answer too: a rule about addresses does not match, and nothing
                // can be connected to.
                let found = upstreams.addresses(&request.target.host).await;
                request.set_addresses(found);
            }
            Admission::NeedsAnswer(question) => {
                let answer = self.look_up(&question, generation, request, upstreams);
                let answer = answer.await?;
                request.add_answer(question, answer);
            }
        }
        Ok(())
    }

    async fn look_up(
        &mut self,
        Question { helper, key }: &Question,
        generation: &Generation,
        request: &Request,
        upstreams: &Arc<Upstreams>,
    ) -> Result<Arc<Answer>, Failure> {
        if request.answer(helper, key).is_some() {
            let what = format!("a plugin asked the helper `{helper}` the same question twice");
            return Err(denied(what));
        }
        self.lookups += 1;
        if self.lookups > MAX_LOOKUPS {
            let what =
                format!("a plugin asked more than {MAX_LOOKUPS} questions about one request");
            return Err(denied(what));
        }
        match generation.helpers().get(helper) {
            Some(helper) => Ok(helper.ask(key, request.id, upstreams).await),
            None => {
                let what =
                    format!("a plugin asked the helper `{helper}`, which is not in the settings");
                tracing::error!(
                    request = request.id,
                    "{what}: [helpers.{helper}] is missing"
                );
                Err(misconfigured(what))
            }
        }
    }
}

fn denied(why: impl Into<Arc<str>>) -> Failure {
    refused(why.into(), 403, None)
}

/// That is the operator's mistake, and nothing that the client could be allowed.
fn misconfigured(why: String) -> Failure {
    refused(why.as_str().into(), 503, Some(why))
}

fn refused(text: Arc<str>, status: u16, message: Option<String>) -> Failure {
    Failure::Denied(Denial {
        rule: Rule::ours(text),
        status,
        message,
    })
}
