//! The calls of a plugin's hooks, in the host's own types.

use super::answer::{Denial, Freshness, Key, Overrule, Refresh, Rule, Verdict};
use super::backoff::{Change, Ended, Turn};
use super::bindings::cache_rules::{self, Overrides};
use super::bindings::{access, cache_key};
use super::draft::Keep;
use super::failure::{self, Failed, backtrace, explain};
use super::instance::{Instance, Lent, Slots};
use super::limits::Exceeded;
use super::meters::{Limit, Meter};
use super::{FailurePolicy, Hook, Plugin, printable, state};
use crate::helper::Question;
use crate::http::Fields;
use crate::transaction::Request;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a plugin may overrule, as the WIT has it.
const OVERRULES: [(Overrides, Overrule); 6] = [
    (Overrides::EXPIRE, Overrule::OverrideExpire),
    (Overrides::LAST_MODIFIED, Overrule::OverrideLastmod),
    (Overrides::RELOAD_INTO_IMS, Overrule::ReloadIntoIms),
    (Overrides::IGNORE_RELOAD, Overrule::IgnoreReload),
    (Overrides::IGNORE_NO_STORE, Overrule::IgnoreNoStore),
    (Overrides::IGNORE_PRIVATE, Overrule::IgnorePrivate),
];
/// Octets of a challenge: a Kerberos ticket is one of the long ones.
const MAX_CHALLENGE: usize = 8 << 10;
/// Octets of a key: of the cache, and of a question to a helper.
const MAX_KEY: usize = 8 << 10;

impl Plugin {
    /// May this request pass?
    pub fn authorize(&self, request: &Arc<Request>) -> Result<Verdict, Failed> {
        let verdict = self.call(Hook::Access, request, |instance| {
            authorize(instance, request)
        })?;
        Ok(self.verdict(verdict))
    }

    pub(super) fn verdict(&self, verdict: access::Verdict) -> Verdict {
        match verdict {
            access::Verdict::Pass => Verdict::Pass,
            access::Verdict::Allow(matched) => Verdict::Allow(self.rule(&matched.rule)),
            access::Verdict::Deny(access::Denial {
                rule,
                status,
                message,
            }) => Verdict::Deny(self.denial(&rule, status, message)),
            access::Verdict::Resolve => Verdict::Resolve,
            access::Verdict::Lookup(access::Question { helper, key }) => {
                let helper = printable(&helper);
                Verdict::Lookup(Question { helper, key })
            }
            access::Verdict::Authenticate(challenge) => Verdict::Authenticate(challenge),
        }
    }

    /// Change the fields that go to the origin, up to that many octets.
    pub fn on_request(
        &self,
        request: &Arc<Request>,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failed> {
        let lent = self.lend(Hook::RequestHeaders, fields, limit);
        self.call(Hook::RequestHeaders, request, |instance| {
            instance.on_request(request, lent)
        })
    }

    /// Change the fields that go to the client, up to that many octets.
    pub fn on_response(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failed> {
        let lent = self.lend(Hook::ResponseHeaders, fields, limit);
        self.call(Hook::ResponseHeaders, request, |instance| {
            instance.on_response(request, status, lent)
        })
    }

    pub(super) fn lend<'a>(&self, hook: Hook, fields: &'a mut Fields, limit: usize) -> Lent<'a> {
        let keep = match self.manifest.failure.of(hook) {
            FailurePolicy::Closed => Keep::Never,
            FailurePolicy::Open => Keep::OnFailure,
        };
        Lent {
            fields,
            limit,
            keep,
        }
    }

    /// How long is this response fresh? The fields are lent to be read.
    pub fn rule_for(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
    ) -> Result<Freshness, Failed> {
        let lent = Lent {
            fields,
            limit: 0,
            keep: Keep::ReadOnly,
        };
        let decision = self.call(Hook::CacheRules, request, |instance| {
            instance.rule_for(request, status, lent)
        });
        Ok(match decision? {
            cache_rules::Decision::Pass => Freshness::Pass,
            cache_rules::Decision::NeverStore(rule) => Freshness::NeverStore(self.rule(&rule)),
            cache_rules::Decision::Refresh(refresh) => {
                let mut overrules = BTreeSet::new();
                for (flag, option) in OVERRULES {
                    if refresh.overrides.contains(flag) {
                        overrules.insert(option);
                    }
                }
                Freshness::Refresh(Refresh {
                    rule: self.rule(&refresh.rule),
                    min: refresh.min,
                    percent: refresh.percent,
                    max: refresh.max,
                    overrules,
                })
            }
        })
    }

    /// Under which key is the response cached?
    pub fn key_for(&self, request: &Arc<Request>) -> Result<Key, Failed> {
        let key = self.call(Hook::CacheKey, request, |instance| {
            key_for(instance, request)
        })?;
        Ok(key.into())
    }

    /// A denial as the plugin says it: what is no status of an error is 403.
    pub(super) fn denial(&self, rule: &str, status: u16, message: Option<String>) -> Denial {
        Denial {
            rule: self.rule(rule),
            status: match status {
                400..=599 => status,
                _ => 403,
            },
            message: message.map(|message| printable(&message)),
        }
    }

    /// A rule as the plugin names it, in the configuration's words where it points there.
    pub(super) fn rule(&self, named: &str) -> Rule {
        match self.rules.get(named) {
            Some(rule) => rule.clone(),
            None => Rule::new(self.template.plugin(), printable(named), None),
        }
    }

    /// Calls a hook about a request, unless it is put aside.
    fn call<R>(
        &self,
        hook: Hook,
        request: &Request,
        call: impl FnOnce(&mut Instance) -> wasmtime::Result<R>,
    ) -> Result<R, Failed> {
        self.call_in(&self.slots, hook, Some(request), call)
    }

    /// The same in one of these instances, whatever it is about.
    pub(super) fn call_in<R>(
        &self,
        slots: &Slots,
        hook: Hook,
        request: Option<&Request>,
        call: impl FnOnce(&mut Instance) -> wasmtime::Result<R>,
    ) -> Result<R, Failed> {
        let turn = self.turn(hook, request)?;
        let request = request.map(|request| request.id);
        self.template.meter().called(hook);
        let answer = self.template.call(slots, call);
        let ended = match &answer {
            Ok(_) => Ended::Well,
            Err(error) if failure::is_late(error) => Ended::Late,
            Err(_) => Ended::Failed,
        };
        let answer =
            answer.map_err(|error| self.report(self.template.meter(), hook, request, &error));
        self.end_turn(hook, turn, ended);
        answer
    }

    /// May that hook be called, about that request?
    pub(super) fn turn(&self, hook: Hook, request: Option<&Request>) -> Result<Turn, Failed> {
        let client = request.map(|request| request.client.ip());
        let turn = self.backoffs[hook as usize].turn(client);
        turn.map_err(|aside| self.failed(hook, aside.to_string()))
    }

    /// A turn of that hook's is over.
    pub(super) fn end_turn(&self, hook: Hook, turn: Turn, ended: Ended) {
        match self.backoffs[hook as usize].end(turn, ended) {
            None => {}
            Some(Change::PutAside(aside)) => {
                self.template.meter().ran_into(Limit::Failures);
                tracing::error!("{}", self.failed(hook, aside.to_string()));
            }
            Some(Change::Back(whom)) => {
                let name = self.name();
                tracing::warn!("plugin `{name}` is back in its hook `{hook}`{whom}");
            }
        }
    }

    pub(super) fn failed(&self, hook: Hook, reason: String) -> Failed {
        Failed {
            plugin: self.template.plugin(),
            hook,
            reason,
        }
    }

    /// Tells the operator of a call that failed, and where in the plugin it was.
    pub(super) fn report(
        &self,
        meter: &Meter,
        hook: Hook,
        request: Option<u64>,
        error: &wasmtime::Error,
    ) -> Failed {
        meter.failed(hook);
        failure::count(meter, error);
        let failed = self.failed(hook, explain(error));
        let rate = self.manifest.limits.log_rate;
        // As the tags of other lines, but before the trace.
        let tag = request
            .map(|id| format!(" request={id}"))
            .unwrap_or_default();
        // One that fails with every request would fill the log.
        if state::may_log(meter, rate) {
            tracing::warn!("{failed}{tag}{}", backtrace(error).unwrap_or_default());
        }
        tracing::debug!(plugin = self.name(), "{error:?}");
        failed
    }
}

/// What an instance says, where that can be said.
pub(super) fn authorize(
    instance: &mut Instance,
    request: &Arc<Request>,
) -> wasmtime::Result<access::Verdict> {
    let verdict = instance.authorize(request)?;
    match &verdict {
        access::Verdict::Authenticate(challenge) if challenge.len() > MAX_CHALLENGE => {
            Err(Exceeded::Challenge(MAX_CHALLENGE).into())
        }
        access::Verdict::Lookup(question) => {
            check_key(&question.key)?;
            Ok(verdict)
        }
        _ => Ok(verdict),
    }
}

/// The same of the key.
pub(super) fn key_for(
    instance: &mut Instance,
    request: &Arc<Request>,
) -> wasmtime::Result<cache_key::Key> {
    let key = instance.key_for(request)?;
    if let cache_key::Key::Named(name) = &key {
        check_key(name)?;
    }
    Ok(key)
}

impl From<cache_key::Key> for Key {
    fn from(key: cache_key::Key) -> Key {
        match key {
            cache_key::Key::Pass => Key::Pass,
            cache_key::Key::Named(key) => Key::Named(key.into()),
            cache_key::Key::Never => Key::Never,
        }
    }
}

/// Whether that can be a key: keys are compared, logged and listed, and helpers read a line.
fn check_key(key: &str) -> wasmtime::Result<()> {
    let what = match key {
        "" => "its key is empty",
        _ if key.len() > MAX_KEY => return Err(Exceeded::Key(MAX_KEY).into()),
        _ if key.contains(char::is_control) => "its key has control characters",
        _ => return Ok(()),
    };
    Err(wasmtime::Error::msg(what))
}
