//! The hooks: which plugins are asked, and what their answers come to.

use super::{Admission, CacheKey, Generation, Storing};
use crate::error::Failure;
use crate::http::Fields;
use crate::notes::{Access, Edit, Judged};
use crate::plugin::{
    Denial, Failed, FailurePolicy, Freshness, Hook, Key, Of, Plugin, Refresh, Rule, Verdict,
};
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
                Verdict::Deny(denial) => Err(Failure::Denied(denial)),
                Verdict::Resolve => Ok(Admission::NeedsAddresses),
                Verdict::Lookup(question) => Ok(Admission::NeedsAnswer(question)),
                Verdict::Authenticate(challenge) => Err(Failure::Unauthenticated {
                    plugin: plugin.name().into(),
                    challenge,
                }),
            };
        }
        Err(Failure::Denied(Denial {
            rule: Rule::ours("no plugin has a rule for this request"),
            status: 403,
            message: None,
        }))
    }

    /// Changes the fields that go to the origin; all plugins, in order.
    pub fn on_request(
        &self,
        request: &Arc<Request>,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failure> {
        self.edit(Of::Request, request, fields, limit)
    }

    /// Changes the fields that go to the client; all plugins, in order.
    pub fn on_response(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failure> {
        self.edit(Of::Response(status), request, fields, limit)
    }

    /// All plugins of that header hook, in order, and the note of what they have made of it.
    fn edit(
        &self,
        of: Of,
        request: &Arc<Request>,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failure> {
        let hook = of.header_hook();
        let noted = request.notebook_of(hook);
        let before = noted.map(|notebook| (notebook, fields.clone()));
        let edited = self.ask_for_edits(of, request, fields, limit);
        if let Some((notebook, before)) = before {
            let after = edited.is_ok().then_some(fields);
            notebook.note(|notes| match of {
                Of::Request => notes.request_headers = Some(Edit::new(None, before, after)),
                Of::Response(status) => {
                    notes.response_headers = Some(Edit::new(Some(status), before, after));
                }
            });
        }
        edited
    }

    fn ask_for_edits(
        &self,
        of: Of,
        request: &Arc<Request>,
        fields: &mut Fields,
        limit: usize,
    ) -> Result<(), Failure> {
        let hook = of.header_hook();
        for plugin in self.asked(hook) {
            let done = match of {
                Of::Request => plugin.on_request(request, fields, limit),
                Of::Response(status) => plugin.on_response(request, status, fields, limit),
            };
            tolerate(plugin, hook, done)?;
        }
        Ok(())
    }

    /// What goes on of a message's trailers: plugins change them as they do its header section, but
    /// put nothing there that has not come. No note is taken of that.
    pub fn on_trailers(
        &self,
        of: Of,
        request: &Arc<Request>,
        trailers: Fields,
        limit: usize,
    ) -> Result<Fields, Failure> {
        // Mostly there are none.
        if trailers.len() == 0 || self.asked(of.header_hook()).is_empty() {
            return Ok(trailers);
        }
        let mut left = trailers.clone();
        self.ask_for_edits(of, request, &mut left, limit)?;
        left.retain(|line| {
            let mut came = trailers.iter();
            came.any(|came| came.name.eq_ignore_ascii_case(&line.name))
        });
        Ok(left)
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
        let (refresh, never) = match self.storing(request, status, fields) {
            Ok(Storing::Fresh(refresh)) => (Some(refresh), None),
            Ok(Storing::Never(rule)) => (None, Some(rule)),
            Err(_) => (None, None),
        };
        if let Some(notebook) = request.notebook_of(Hook::CacheRules) {
            let judged = Judged {
                status,
                fields: fields.clone(),
                refresh: refresh.clone(),
                never,
            };
            notebook.note(|notes| notes.cache_rules = Some(judged));
        }
        refresh
    }

    /// The same, a failing plugin being told apart from what must not be stored.
    ///
    /// # Errors
    /// A plugin failed whose failure policy is closed.
    pub fn storing(
        &self,
        request: &Arc<Request>,
        status: u16,
        fields: &mut Fields,
    ) -> Result<Storing, Failure> {
        for plugin in self.asked(Hook::CacheRules) {
            let answer = plugin.rule_for(request, status, fields);
            match tolerate(plugin, Hook::CacheRules, answer)? {
                None | Some(Freshness::Pass) => {}
                Some(Freshness::Refresh(refresh)) => return Ok(Storing::Fresh(refresh)),
                Some(Freshness::NeverStore(rule)) => return Ok(Storing::Never(rule)),
            }
        }
        Ok(Storing::Fresh(Refresh::stale_at_once()))
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
