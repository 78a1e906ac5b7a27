//! The hooks of the default plugins, and sets, for `tests/bench` to measure. Nobody else's.

pub use crate::config::SetKind;
pub use crate::plugin::Set;

use crate::generation::{Generation, Plugins};
use crate::http::{Fields, Form, RequestHead, Target, Version};
use crate::plugin::{Engine, Refresh};
use crate::transaction::Request;
use anyhow::Context as _;
use bytes::Bytes;
use http::Method;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

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
        let engine = Engine::new(1)?;
        let plugins = Plugins::BuiltIn;
        let generation = Generation::build(1, &engine, &plugins, &BTreeMap::new(), &[], 1, None)?;
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
