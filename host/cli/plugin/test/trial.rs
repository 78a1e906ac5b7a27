//! A case in the real engine: through the calls that the proxy makes, with the manifest's limits,
//! grants and failure policies.

use super::case::Body;
use super::case::{Case, Response};
use super::outcome::{self, Outcome, key_of, lines, metrics};
use crate::config::{Mistake, Settings, Source};
use crate::helper::{Answer, Question};
use crate::http::Fields;
use crate::log::Completed;
use crate::plugin::{
    Compiled, Engine, Failed, FailurePolicy, Freshness, Halt, Hook, Key, Manifest, Of, Plugin,
    Sets, Shelf, Verdict,
};
use crate::transaction::Request;
use http::Method;
use std::net::IpAddr;
use std::sync::Arc;

/// A plugin, ready to be tried.
pub(super) struct Trial {
    engine: Engine,
    manifest: Manifest,
    compiled: Compiled,
    sets: Sets,
    settings: Arc<Settings>,
}

/// One case's run.
struct Run<'a> {
    plugin: &'a Arc<Plugin>,
    request: Arc<Request>,
    body: Option<Body>,
    response: Response,
    completed: Vec<Completed>,
    settings: &'a Settings,
    got: Outcome,
}

// === impl Trial ===

impl Trial {
    /// Compiles the component.
    ///
    /// # Errors
    /// It cannot be run here.
    pub(super) fn new(
        engine: &Engine,
        manifest: Manifest,
        component: &[u8],
        settings: Arc<Settings>,
    ) -> Result<Trial, Mistake> {
        let compiled = Compiled::new(engine, &manifest, component)?;
        let sets = Shelf::default().read(&manifest.sets, None)?;
        Ok(Trial {
            engine: engine.clone(),
            manifest,
            compiled,
            sets: Sets::new(sets),
            settings,
        })
    }

    /// Refuses a case that expects something of a hook that the plugin does not have.
    ///
    /// # Errors
    /// With the hooks that it has.
    pub(super) fn check(&self, source: &Source, case: &Case) -> Result<(), Mistake> {
        let hooks = self.compiled.hooks();
        let mut named = case.expect.hooks();
        if !case.completed.is_empty() {
            named.push(Hook::Observer);
        }
        let Some(hook) = named.iter().find(|hook| !hooks.contains(hook)) else {
            return has_bodies(source, case, &named);
        };
        let (name, key) = (&case.name, key_of(*hook));
        let has = match hook {
            Hook::Observer => "has",
            _ => "expects",
        };
        let message = format!(
            "the case `{name}` {has} `{key}`, and the plugin does not serve the hook `{hook}`"
        );
        let served: Vec<String> = hooks.iter().map(Hook::to_string).collect();
        let mistake = source.mistake(case.span.clone(), message);
        Err(mistake.help(format!("it serves {}", served.join(", "))))
    }

    /// What becomes of it. Each case has instances of its own, and keeps what it keeps to itself:
    /// none sees what another left, nor that a hook was put aside.
    ///
    /// # Errors
    /// The plugin fails when it starts.
    pub(super) fn run(&self, case: Case) -> Result<Outcome, Mistake> {
        let config = case.config.as_ref().unwrap_or(&self.manifest.config);
        let (manifest, compiled) = (self.manifest.clone(), self.compiled.clone());
        let engine = self.engine.apart();
        let sets = self.sets.clone();
        let plugin = match Plugin::configure(&engine, manifest, config, sets, compiled, 1)? {
            Ok(plugin) => Arc::new(plugin),
            Err(complaint) => {
                return Ok(Outcome {
                    config_error: Some(complaint.into()),
                    ..Outcome::default()
                });
            }
        };
        let hooks = hooks(&plugin, &case);
        let mut run = Run {
            plugin: &plugin,
            request: Arc::new(case.request),
            body: case.body,
            response: case.response.unwrap_or_else(|| Response {
                status: 200,
                fields: Fields::default(),
                body: None,
            }),
            completed: case.completed,
            settings: &self.settings,
            got: Outcome::default(),
        };
        // In the order of a request's life: `access` first, while no address is known yet.
        if hooks.contains(&Hook::Access) {
            run.access(case.addresses.as_ref(), &case.answers);
        }
        if let Some(addresses) = case.addresses {
            run.request.set_addresses(Ok(addresses));
        }
        for hook in hooks {
            run.call(hook);
        }
        let mut got = run.got;
        let counted = engine
            .meters()
            .all()
            .iter()
            .flat_map(|meter| metrics(meter))
            .collect::<Vec<_>>();
        // Nobody needs to be told that nothing was.
        if !counted.is_empty() || case.expect.metrics.is_some() {
            got.metrics = Some(counted);
        }
        Ok(got)
    }
}

/// A hook that looks into a body is not called where there is none.
fn has_bodies(source: &Source, case: &Case, named: &[Hook]) -> Result<(), Mistake> {
    let response = case.response.as_ref();
    for (hook, body, table) in [
        (Hook::RequestBody, case.body.as_ref(), "request"),
        (
            Hook::ResponseBody,
            response.and_then(|r| r.body.as_ref()),
            "response",
        ),
    ] {
        let nothing = body.is_none_or(|body| body.octets.is_empty());
        if named.contains(&hook) && nothing {
            let (name, key) = (&case.name, key_of(hook));
            let message = format!("the case `{name}` expects `{key}`, and has no body for it");
            let mistake = source.mistake(case.span.clone(), message);
            return Err(mistake.help(format!("write it as `body` of [{table}]")));
        }
    }
    Ok(())
}

/// The hooks that the case is about. One that names none is about all that the proxy would call.
fn hooks(plugin: &Plugin, case: &Case) -> Vec<Hook> {
    let mut named = case.expect.hooks();
    if !case.completed.is_empty() {
        named.push(Hook::Observer);
    }
    if !named.is_empty() {
        return named;
    }
    let concerned = |hook: &Hook| match hook {
        Hook::Access => true,
        Hook::RequestHeaders | Hook::CacheKey => case.request.method != Method::CONNECT,
        Hook::ResponseHeaders | Hook::CacheRules => case.response.is_some(),
        Hook::RequestBody => case.body.is_some(),
        Hook::ResponseBody => case.response.as_ref().is_some_and(|r| r.body.is_some()),
        Hook::Observer => false,
    };
    let hooks = plugin.hooks().iter().copied();
    hooks.filter(concerned).collect()
}

// === impl Run ===

impl Run<'_> {
    /// As the proxy does it: asked again with what it wants to know, as far as the case says that.
    fn access(&mut self, addresses: Option<&Arc<[IpAddr]>>, answers: &[(Question, Arc<Answer>)]) {
        let verdict = self.ask(Hook::Access, Verdict::Pass, |plugin, request| {
            loop {
                match (plugin.authorize(request)?, addresses) {
                    (Verdict::Resolve, Some(addresses)) if request.addresses().is_none() => {
                        request.set_addresses(Ok(addresses.clone()));
                    }
                    (Verdict::Lookup(question), _) => {
                        let Question { helper, key } = &question;
                        let said = answers.iter().find(|(asked, _)| *asked == question);
                        match said {
                            Some((_, answer)) if request.answer(helper, key).is_none() => {
                                request.add_answer(question, answer.clone());
                            }
                            _ => return Ok(Verdict::Lookup(question)),
                        }
                    }
                    (verdict, _) => return Ok(verdict),
                }
            }
        });
        self.got.access = verdict.map(Into::into);
    }

    fn call(&mut self, hook: Hook) {
        let mut fields = match hook {
            Hook::RequestHeaders => self.request.fields.clone(),
            _ => self.response.fields.clone(),
        };
        let status = self.response.status;
        match hook {
            // It was the first.
            Hook::Access => {}
            Hook::RequestHeaders => {
                let limit = self.settings.request_header_max_size;
                let done = self.ask(hook, (), |plugin, request| {
                    plugin.on_request(request, &mut fields, limit)
                });
                self.got.request_fields = done.map(|()| lines(&fields));
            }
            Hook::ResponseHeaders => {
                let limit = self.settings.reply_header_max_size;
                let done = self.ask(hook, (), |plugin, request| {
                    plugin.on_response(request, status, &mut fields, limit)
                });
                self.got.response_fields = done.map(|()| lines(&fields));
            }
            Hook::CacheRules => {
                let freshness = self.ask(hook, Freshness::Pass, |plugin, request| {
                    plugin.rule_for(request, status, &mut fields)
                });
                self.got.freshness = freshness.map(Into::into);
            }
            Hook::CacheKey => {
                let key = self.ask(hook, Key::Pass, |plugin, request| plugin.key_for(request));
                self.got.key = key.map(Into::into);
            }
            Hook::Observer => {
                let completed = std::mem::take(&mut self.completed);
                self.ask(hook, (), |plugin, _| plugin.observe(completed));
            }
            Hook::RequestBody => {
                let body = self.body.clone();
                self.got.request_body = self.look_into(Of::Request, &mut fields, body);
            }
            Hook::ResponseBody => {
                let body = self.response.body.clone();
                self.got.response_body = self.look_into(Of::Response(status), &mut fields, body);
            }
        }
    }

    /// A body, piece by piece, as far as it goes on.
    fn look_into(
        &mut self,
        of: Of,
        fields: &mut Fields,
        body: Option<Body>,
    ) -> Option<outcome::Body> {
        let Body { octets, pieces } = body?;
        let watch =
            |plugin: &Arc<Plugin>, request: &Arc<Request>| plugin.watch(of, request, fields);
        let Some(mut watch) = self.ask(of.hook(), None, watch)? else {
            return Some(outcome::Body::unseen());
        };
        let got = outcome::Body::seen(&watch);
        let mut passed = Vec::new();
        let mut pieces = octets.chunks(pieces).peekable();
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none();
            let shown = match watch.is_over() {
                true => Ok(None),
                false => watch.show(piece, last),
            };
            match shown {
                Ok(instead) => passed.extend_from_slice(instead.as_deref().unwrap_or(piece)),
                Err(Halt::Stop(stop)) => return Some(got.stopped(stop)),
                Err(Halt::Failed(failed)) => {
                    let goes_on = watch.give_up();
                    self.has_failed(of.hook(), &failed);
                    if !goes_on {
                        return None;
                    }
                    passed.extend_from_slice(piece);
                }
            }
            if let Err(stop) = watch.holding(passed.len()) {
                return Some(got.stopped(stop));
            }
        }
        Some(got.passed(&passed))
    }

    /// Calls a hook, unless the plugin spares it. A failure is noted; then there is no answer, or,
    /// where its policy is open, the one that says nothing.
    fn ask<T>(
        &mut self,
        hook: Hook,
        nothing: T,
        ask: impl FnOnce(&Arc<Plugin>, &Arc<Request>) -> Result<T, Failed>,
    ) -> Option<T> {
        if self.plugin.spares(hook) {
            return Some(nothing);
        }
        let failed = match ask(self.plugin, &self.request) {
            Ok(answer) => return Some(answer),
            Err(failed) => failed,
        };
        self.has_failed(hook, &failed);
        match self.plugin.manifest().failure.of(hook) {
            FailurePolicy::Open => Some(nothing),
            FailurePolicy::Closed => None,
        }
    }

    fn has_failed(&mut self, hook: Hook, failed: &Failed) {
        let reason = format!("{hook}: {}", failed.reason);
        self.got.failure.get_or_insert(reason);
    }
}
