//! The hooks of the default plugins, sets, and replays, for `tests/bench` to measure. Nobody else's.

mod recorded;

pub use crate::config::SetKind;
pub use crate::generation::CacheKey;
pub use crate::log::Completed;
pub use crate::plugin::Set;
pub use recorded::Recorded;

use crate::config::Configuration;
use crate::error::Failure;
use crate::generation::{Generation, Plugins};
use crate::http::{Fields, Form, RequestHead, Target, Version};
use crate::log::{Code, Record};
use crate::plugin::{Engine, Refresh, Rule};
use crate::transaction::{Outcome, Request};
use anyhow::Context as _;
use bytes::Bytes;
use http::Method;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The documented configuration, and a request that it allows.
pub struct Hooks {
    generation: Generation,
    request: Arc<Request>,
}

/// Octets that fields may grow to.
const LIMIT: usize = 64 << 10;

impl Hooks {
    /// Compiles and warms the plugins.
    ///
    /// # Errors
    /// They cannot be run here.
    pub fn documented() -> anyhow::Result<Hooks> {
        Hooks::of(&Plugins::BuiltIn)
    }

    /// The plugins of that folder, in place of the default ones.
    ///
    /// # Errors
    /// They cannot be run here.
    pub fn in_folder(folder: &Path) -> anyhow::Result<Hooks> {
        Hooks::of(&Plugins::Folder(folder.to_owned()))
    }

    fn of(plugins: &Plugins) -> anyhow::Result<Hooks> {
        let engine = Engine::new(1)?;
        let settings = Configuration::from_source(None, &[])?;
        let generation = Generation::build(1, &engine, plugins, &settings, 1, None)?;
        let target = Bytes::from_static(b"http://www.example.com/packages/a/b.rpm");
        let Form::Proxy(target) = Target::parse(&Method::GET, &target)? else {
            anyhow::bail!("the target is not in absolute form");
        };
        let mut fields = Fields::default();
        fields.push("Host", "www.example.com");
        fields.push("User-Agent", "curl/8.14.1");
        fields.push("Accept", "*/*");
        let head = RequestHead {
            method: Method::GET,
            target: Bytes::new(),
            version: Version::Http11,
            fields,
        };
        let client = ([10, 1, 2, 3], 40_000).into();
        let request = Request::new(head, target, client, SystemTime::now());
        Ok(Hooks {
            generation,
            request: Arc::new(request),
        })
    }

    /// Fields as they go to an origin: those of the request, and what the host puts on.
    pub fn request(&self) -> Fields {
        let mut fields = self.request.fields.clone();
        fields.push("Via", "1.1 none");
        fields.push("X-Forwarded-For", "unknown");
        fields
    }

    /// Fields as they come from an origin.
    pub fn response(&self) -> Fields {
        let mut fields = Fields::default();
        fields.push("Date", "Sun, 22 Nov 2026 00:00:00 GMT");
        fields.push("Content-Type", "application/octet-stream");
        fields.push("ETag", "\"abc\"");
        fields.push("Server", "pbench");
        fields
    }

    /// The hook `access`.
    ///
    /// # Errors
    /// The request is denied.
    pub fn access(&self) -> anyhow::Result<()> {
        self.generation.authorize(&self.request)?;
        Ok(())
    }

    /// The hook `request-headers`.
    ///
    /// # Errors
    /// A plugin failed.
    pub fn request_headers(&self, fields: &mut Fields) -> anyhow::Result<()> {
        Ok(self.generation.on_request(&self.request, fields, LIMIT)?)
    }

    /// The hook `response-headers`.
    ///
    /// # Errors
    /// A plugin failed.
    pub fn response_headers(&self, fields: &mut Fields) -> anyhow::Result<()> {
        Ok(self
            .generation
            .on_response(&self.request, 200, fields, LIMIT)?)
    }

    /// The hook `access`, of a plugin that leaves it to others.
    ///
    /// # Errors
    /// It does not: it failed, or has an answer.
    pub fn no_answer(&self) -> anyhow::Result<()> {
        match self.generation.authorize(&self.request) {
            Err(Failure::Denied(denial)) if &*denial.rule.plugin == "wproxy" => Ok(()),
            other => anyhow::bail!("{other:?}"),
        }
    }

    /// The hook `cache-key`.
    pub fn cache_key(&self) -> CacheKey {
        self.generation.key_for(&self.request)
    }

    /// The hook `observer`, with what [`Hooks::batch`] gives, of one plugin.
    ///
    /// # Errors
    /// A plugin failed.
    pub fn observe(&self, batch: Vec<Completed>) -> anyhow::Result<()> {
        let observer = self.generation.observers().first();
        Ok(observer.context("nobody observes")?.observe(batch)?)
    }

    /// Transactions as they end every day.
    pub fn batch(&self, number: usize) -> Vec<Completed> {
        let outcome = Outcome {
            code: Code::Miss,
            status: 200,
            server: Some([198, 51, 100, 10].into()),
            content_type: Some("text/html; charset=utf-8".into()),
            rule: Some(Rule::new(
                "access-policy",
                "http_access allow localnet",
                None,
            )),
            sent: 1500,
            ..Outcome::default()
        };
        let request = &self.request;
        let completed = Completed::of(
            &Record {
                request: Some(request.id),
                received: request.received,
                elapsed: Duration::from_millis(3),
                client: request.client.ip(),
                method: request.method.as_str(),
                uri: request.uri(),
                version: Some(request.version),
                fields: Some(&request.fields),
                generation: 1,
                outcome: &outcome,
            },
            true,
        );
        vec![completed; number]
    }

    /// The hook `cache-rules`.
    ///
    /// # Errors
    /// A plugin failed, or lets nothing be stored.
    pub fn cache_rules(&self, fields: &mut Fields) -> anyhow::Result<Refresh> {
        self.generation
            .rule_for(&self.request, 200, fields)
            .context("not to be stored")
    }
}
