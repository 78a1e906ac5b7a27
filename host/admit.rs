//! May this request pass? The access hook decides, with the destination's addresses where it wants
//! them.

use crate::app::App;
use crate::error::Failure;
use crate::generation::Admission;
use crate::plugin::Rule;
use crate::transaction::Transaction;

/// Asks the access hook; if it says so, resolves the destination and asks again. The server is
/// then connected to at exactly those addresses.
///
/// # Errors
/// It may not.
pub async fn admit(app: &App, transaction: &mut Transaction) -> Result<(), Failure> {
    let request = transaction.request.clone();
    let mut admission = transaction.generation.authorize(&request);
    if let Ok(Admission::NeedsAddresses) = admission
        && request.addresses().is_none()
    {
        // No address is an answer too: a rule about addresses does not match, and nothing can be
        // connected to.
        request.set_addresses(app.upstreams.addresses(&request.target.host).await);
        admission = transaction.generation.authorize(&request);
    }
    let admission = match admission {
        Ok(Admission::Allowed(rule)) => Ok(rule),
        Ok(Admission::NeedsAddresses) => Err(asked_again()),
        Err(failure) => Err(failure),
    };
    let rule = match &admission {
        Ok(rule) => Some(rule),
        Err(failure) => failure.rule(),
    };
    transaction.entry.outcome.rule = rule.cloned();
    admission.map(|_| ())
}

/// What it means that a plugin asks for addresses that it has been given.
pub fn asked_again() -> Failure {
    Failure::Denied {
        rule: Rule {
            plugin: "wproxy".into(),
            text: "a plugin asked for addresses that it was given".into(),
            location: None,
        },
        status: 403,
        message: None,
    }
}
