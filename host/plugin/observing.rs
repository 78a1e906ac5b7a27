//! The hook `observer`: what it is told, in an instance of its own.

use super::bindings::{address, method, observer};
use super::instance::{Slots, Template};
use super::watch::Places;
use super::{Configured, Failed, Hook, Plugin};
use crate::log::Completed;
use std::time::{Duration, UNIX_EPOCH};

/// Makes the instances that a plugin with these hooks needs: one for each worker, unless all that it
/// does is done in others; for bodies, one for each worker and hook; and one to observe.
pub(super) fn warm(
    template: &Template,
    hooks: &[Hook],
    workers: &Slots,
    observing: &Slots,
    places: &Places,
) -> wasmtime::Result<Configured<()>> {
    let is_usual = |hook: &Hook| *hook != Hook::Observer && !hook.is_of_bodies();
    if hooks.iter().any(is_usual)
        && let Err(complaint) = workers.warm(template)?
    {
        return Ok(Err(complaint));
    }
    let looks = |hook: &&Hook| hook.is_of_bodies() && !template.spares(**hook);
    let for_bodies = || workers.count() * hooks.iter().filter(looks).count();
    if let Err(complaint) = places.warm(template, for_bodies)? {
        return Ok(Err(complaint));
    }
    if !hooks.contains(&Hook::Observer) {
        return Ok(Ok(()));
    }
    // Counted from 0, whether it is ever told anything or not.
    template.meter().observing();
    observing.warm(template)
}

impl Plugin {
    /// Tells it what became of transactions. No more than one at a time of these calls is made.
    /// Where one fails, the log says so, and its batch is counted among what is dropped.
    ///
    /// # Errors
    /// It failed, or is put aside.
    pub fn observe(&self, batch: Vec<Completed>) -> Result<(), Failed> {
        let number = batch.len();
        let told = self.call_in(&self.observing, Hook::Observer, None, |instance| {
            instance.on_completed(batch.into_iter().map(Into::into).collect())
        });
        match &told {
            Ok(()) => self.template.meter().observing().tell(number as u64),
            Err(_) => self.drop_unobserved(number as u64),
        }
        told
    }

    /// Counts what it is not told of.
    pub fn drop_unobserved(&self, number: u64) {
        self.template.meter().observing().drop(number);
    }

    /// There is nothing more to be told: the instance for it goes.
    pub fn end_observing(&self) {
        self.observing.close();
    }
}

impl From<Completed> for observer::Completed {
    fn from(completed: Completed) -> Self {
        let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let since = completed.received.duration_since(UNIX_EPOCH);
        observer::Completed {
            request: completed.request,
            generation: completed.generation,
            received: microseconds(since.unwrap_or_default()),
            elapsed: microseconds(completed.elapsed),
            client: address(completed.client),
            method: completed.method.as_ref().map(method),
            uri: completed.uri.into(),
            status: completed.status,
            code: completed.code.as_str().to_owned(),
            rule: completed.rule.map(|rule| observer::Rule {
                plugin: rule.plugin.to_string(),
                text: rule.text.to_string(),
                at: rule.location.as_ref().map(ToString::to_string),
            }),
            user: completed.user.map(Into::into),
            octets_sent: completed.sent,
            octets_received: completed.received_octets,
            server: completed.server.map(address),
            content_type: completed.content_type.map(Into::into),
            aborted: completed.aborted,
            error: completed.error.map(Into::into),
        }
    }
}
