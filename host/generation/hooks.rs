//! The hooks: which plugins are asked, and what their answers come to.

use super::{Admission, CacheKey, Generation};
use crate::error::Failure;
use crate::http::Fields;
use crate::notes::{Access, Edit, Judged};
use crate::plugin::{Failed, FailurePolicy, Freshness, Hook, Key, Plugin, Refresh, Rule, Verdict};
use crate::transaction::Request;
use std::sync::Arc;

impl Generation {
    /// May this request pass? The first plugin that has an answer gives it; without any, and so
    /// without plugins, nothing passes.
    pub fn authorize(&self, request: &Arc<Request>) -> Result<Admission, Failure> {
        let admission = self.authorize_by(|plugin| plugin.authorize(request));
        if let Some(notebook) = request.notebook_of(Hook::Access) {
            notebook.note(|notes| notes.access = Access::of(&admission));
        }
        admission
    }

    /// The same, whichever way a plugin is asked.
    pub(super) fn authorize_by(
        &self,
        mut ask: impl FnMut(&Plugin) -> Result<Verdict, Failed>,
    ) -> Result<Admission, Failure> {
        for plugin in self.asked(Hook::Access) {
            let Some(verdict) = tolerate(plugin, Hook::Access, ask(plugin))? else {
                continue;
            };
            return match verdict {
                Verdict::Pass => continue,
                Verdict::Allow(rule) => Ok(Admission::Allowed(rule)),
                Verdict::Deny {
                    rule,
                    status,
                    message,
                } => Err(Failure::Denied {
                    rule,
                    status,
                    message,
                }),
                Verdict::Resolve => Ok(Admission::NeedsAddresses),
                Verdict::Lookup(question) => Ok(Admission::NeedsAnswer(question)),
                Verdict::Authenticate(challenge) => Err(Failure::Unauthenticated {
                    plugin: plugin.name().into(),
                    challenge,
                }),
            };
        }
        Err(Failure::Denied {
            rule: Rule::ours("no plugin has a rule for this request"),
            status: 403,
            message: None,
        })
    }

    /// Changes the fields that go to the origin; all plugins, in order.
    pub fn on_request(
        &self,
        request: &Arc<Request>,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failure> {
        let before = request
            .notebook_of(Hook::RequestHeaders)
            .map(|notebook| (notebook, fields.clone()));
        let edited = self
            .asked(Hook::RequestHeaders)
            .iter()
            .try_for_each(|plugin| {
                let done = plugin.on_request(request, fields, limit);
                tolerate(plugin, Hook::RequestHeaders, done).map(|_| ())
            });
        if let Some((notebook, before)) = before {
            let edit = Edit::new(None, before, edited.is_ok().then_some(fields));
            notebook.note(|notes| notes.request_headers = Some(edit));
        }
        edited
    }

    /// Changes the fields that go to the client; all plugins, in order.
    pub fn on_response(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failure> {
        let before = request
            .notebook_of(Hook::ResponseHeaders)
            .map(|notebook| (notebook, fields.clone()));
        let edited = self
            .asked(Hook::ResponseHeaders)
            .iter()
            .try_for_each(|plugin| {
                let done = plugin.on_response(request, status, fields, limit);
                tolerate(plugin, Hook::ResponseHeaders, done).map(|_| ())
            });
        if let Some((notebook, before)) = before {
            let edit = Edit::new(Some(status), before, edited.is_ok().then_some(fields));
            notebook.note(|notes| notes.response_headers = Some(edit));
        }
        edited
    }

    /// Whether a plugin may want something stored that RFC 9111 forbids a shared cache to store.
    /// Where none does, [`rule_for`](Generation::rule_for) need not be asked about such a response.
    pub fn overrules_storage(&self) -> bool {
        self.overrules_storage
    }

    /// How long is this response fresh, where it does not say so itself? None: it must not be
    /// stored. A failing plugin costs the client nothing but the cache.
    pub fn rule_for(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
    ) -> Option<Refresh> {
        let refresh = self.refresh(request, status, fields).unwrap_or(None);
        if let Some(notebook) = request.notebook_of(Hook::CacheRules) {
            let judged = Judged {
                status,
                fields: fields.clone(),
                refresh: refresh.clone(),
            };
            notebook.note(|notes| notes.cache_rules = Some(judged));
        }
        refresh
    }

    /// The same, a failing plugin being told apart from what must not be stored.
    ///
    /// # Errors
    /// A plugin failed whose failure policy is closed.
    pub fn refresh(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
    ) -> Result<Option<Refresh>, Failure> {
        for plugin in self.asked(Hook::CacheRules) {
            let answer = plugin.rule_for(request, status, fields);
            match tolerate(plugin, Hook::CacheRules, answer)? {
                None | Some(Freshness::Pass) => {}
                Some(Freshness::Refresh(refresh)) => return Ok(Some(refresh)),
                Some(Freshness::NeverStore(_)) => return Ok(None),
            }
        }
        Ok(Some(Refresh::stale_at_once()))
    }

    /// Under which key is the response to that request cached? For requests that the cache could
    /// answer, and for those that end what is stored for their own URI. A failing plugin costs the client
    /// nothing but the cache.
    pub fn key_for(&self, request: &Arc<Request>) -> CacheKey {
        let key = self.key(request).unwrap_or(CacheKey::Never);
        if let Some(notebook) = request.notebook_of(Hook::CacheKey) {
            notebook.note(|notes| notes.key = Some(key.clone()));
        }
        key
    }

    /// The same, a failing plugin being told apart from one that keeps the cache out of it.
    ///
    /// # Errors
    /// A plugin failed whose failure policy is closed.
    pub fn key(&self, request: &Arc<Request>) -> Result<CacheKey, Failure> {
        self.key_by(|plugin| plugin.key_for(request))
    }

    /// The same, whichever way a plugin is asked.
    pub(super) fn key_by(
        &self,
        mut ask: impl FnMut(&Plugin) -> Result<Key, Failed>,
    ) -> Result<CacheKey, Failure> {
        for plugin in self.asked(Hook::CacheKey) {
            match tolerate(plugin, Hook::CacheKey, ask(plugin))? {
                None | Some(Key::Pass) => {}
                Some(Key::Named(key)) => return Ok(CacheKey::Named(key)),
                Some(Key::Never) => return Ok(CacheKey::Never),
            }
        }
        Ok(CacheKey::Uri)
    }
}

/// A failure where the plugin's policy is closed; nothing said where it is open.
pub(super) fn tolerate<T>(
    plugin: &Plugin,
    hook: Hook,
    answer: Result<T, Failed>,
) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failed) => match plugin.manifest().failure.of(hook) {
            FailurePolicy::Closed => Err(Failure::Plugin(failed)),
            FailurePolicy::Open => Ok(None),
        },
    }
}
