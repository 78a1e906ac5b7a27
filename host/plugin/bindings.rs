//! The WIT interfaces, as the host serves and calls them.

mod helpers;
mod previous;
mod sets;

use super::draft::Draft;
use super::kv::{Counted, Refused};
use super::meters::Limit;
use super::series::Key;
use super::state::{FieldsHandle, RequestHandle, State};
use super::version::Version;
use crate::helper::{Answer, Finding};
use crate::http::Scheme;
use crate::transaction::Request;
use ::http::Method;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::component::Resource;

pub(super) use generated::exports::wproxy::plugin::{
    access, cache_key, cache_rules, explain, lifecycle, observer,
};
pub(super) use generated::wproxy::plugin::bodies;
pub(super) use generated::wproxy::plugin::http::FieldError;
use generated::wproxy::plugin::{http, kv, log, metrics};
pub(super) use previous::Verdict as PreviousVerdict;

/// Every interface at once: which of the exports a component has is found out one by one.
mod generated {
    wasmtime::component::bindgen!({
        path: "wit",
        inline: "
            package wproxy:host;
            world host {
                import wproxy:plugin/http@0.2.0;
                import wproxy:plugin/log@0.2.0;
                import wproxy:plugin/metrics@0.2.0;
                import wproxy:plugin/kv@0.2.0;
                import wproxy:plugin/sets@0.2.0;
                import wproxy:plugin/helpers@0.2.0;
                export wproxy:plugin/lifecycle@0.2.0;
                export wproxy:plugin/access@0.2.0;
                export wproxy:plugin/request-headers@0.2.0;
                export wproxy:plugin/response-headers@0.2.0;
                export wproxy:plugin/cache-rules@0.2.0;
                export wproxy:plugin/cache-key@0.2.0;
                export wproxy:plugin/request-body@0.2.0;
                export wproxy:plugin/response-body@0.2.0;
                export wproxy:plugin/observer@0.2.0;
                export wproxy:plugin/explain@0.2.0;
            }
        ",
        with: {
            "wproxy:plugin/http.request": crate::plugin::state::RequestHandle,
            "wproxy:plugin/http.fields": crate::plugin::state::FieldsHandle,
        },
        imports: { default: trappable },
    });
}

/// Serves `http`, `log` and what else there is to components of that version. Who may have what has
/// to be granted is asked elsewhere.
pub(super) fn add_to_linker(
    linker: &mut wasmtime::component::Linker<State>,
    version: Version,
) -> wasmtime::Result<()> {
    match version {
        Version::V0_1 => previous::add_to_linker(linker),
        Version::V0_2 => {
            http::add_to_linker::<_, HasState>(linker, |state| state)?;
            log::add_to_linker::<_, HasState>(linker, |state| state)?;
            metrics::add_to_linker::<_, HasState>(linker, |state| state)?;
            kv::add_to_linker::<_, HasState>(linker, |state| state)?;
            bodies::add_to_linker::<_, HasState>(linker, |state| state)?;
            generated::wproxy::plugin::helpers::add_to_linker::<_, HasState>(linker, |state| {
                state
            })?;
            generated::wproxy::plugin::sets::add_to_linker::<_, HasState>(linker, |state| state)
        }
    }
}

/// Names that fields can be removed by at a time: the epoch cannot interrupt the host.
const MAX_NAMES: usize = 1000;

struct HasState;

impl wasmtime::component::HasData for HasState {
    type Data<'a> = &'a mut State;
}

impl State {
    /// The request of the call that is running. A handle is lent for one call, so that there is
    /// always one; a component that got hold of a handle otherwise traps.
    fn lent_request(&self) -> wasmtime::Result<&Arc<Request>> {
        self.request
            .as_ref()
            .ok_or_else(|| wasmtime::Error::msg("no request is lent at this time"))
    }

    fn lent_fields(&mut self) -> wasmtime::Result<&mut Draft> {
        self.fields
            .as_mut()
            .ok_or_else(|| wasmtime::Error::msg("no fields are lent at this time"))
    }

    /// Counts it where there was no room for a field.
    fn written(&self, done: Result<(), FieldError>) -> Result<(), FieldError> {
        if done == Err(FieldError::TooLarge) {
            self.meter.ran_into(Limit::Fields);
        }
        done
    }
}

impl http::Host for State {}

/// Words alone.
impl bodies::Host for State {}

impl http::HostRequest for State {
    fn method(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<http::Method> {
        Ok(method(&self.lent_request()?.method))
    }

    fn scheme(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<Option<http::Scheme>> {
        Ok(scheme(&self.lent_request()?.target.scheme))
    }

    fn host(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<String> {
        Ok(self.lent_request()?.target.host.to_string())
    }

    fn port(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<u16> {
        Ok(self.lent_request()?.target.port)
    }

    fn path(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<String> {
        Ok(self.lent_request()?.target.path_text())
    }

    fn uri(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<String> {
        Ok(self.lent_request()?.uri().to_string())
    }

    fn client(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<http::IpAddress> {
        Ok(address(self.lent_request()?.client.ip()))
    }

    fn facts(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<http::Facts> {
        let request = self.lent_request()?;
        Ok(http::Facts {
            method: method(&request.method),
            scheme: scheme(&request.target.scheme),
            port: request.target.port,
            client: address(request.client.ip()),
        })
    }

    fn addresses(
        &mut self,
        _: Resource<RequestHandle>,
    ) -> wasmtime::Result<Option<Vec<http::IpAddress>>> {
        let known = self.lent_request()?.addresses();
        Ok(known.map(|known| known.iter().copied().map(address).collect()))
    }

    fn field(
        &mut self,
        _: Resource<RequestHandle>,
        name: String,
    ) -> wasmtime::Result<Option<Vec<u8>>> {
        let value = self.lent_request()?.fields.joined(&name);
        Ok(value.map(|value| value.to_vec()))
    }

    fn received(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<http::Moment> {
        let (unix, utc_offset) = self.lent_request()?.received_locally();
        Ok(http::Moment { unix, utc_offset })
    }

    fn answer(
        &mut self,
        _: Resource<RequestHandle>,
        helper: String,
        key: String,
    ) -> wasmtime::Result<Option<http::Answer>> {
        let found = self.lent_request()?.answer(&helper, &key);
        Ok(found.map(|found| answer(&found)))
    }

    fn asked_again(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<bool> {
        Ok(self.lent_request()?.is_asked_again())
    }

    fn identify(&mut self, _: Resource<RequestHandle>, user: String) -> wasmtime::Result<()> {
        self.lent_request()?.identify(&user);
        Ok(())
    }

    fn drop(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl http::HostFields for State {
    fn get(&mut self, _: Resource<FieldsHandle>, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        let fields = self.lent_fields()?.fields();
        Ok(fields.all(&name).map(|value| value.to_vec()).collect())
    }

    fn has(&mut self, _: Resource<FieldsHandle>, name: String) -> wasmtime::Result<bool> {
        Ok(self.lent_fields()?.fields().has(&name))
    }

    fn set(
        &mut self,
        _: Resource<FieldsHandle>,
        name: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), FieldError>> {
        let done = self.lent_fields()?.set(name, value);
        Ok(self.written(done))
    }

    fn append(
        &mut self,
        _: Resource<FieldsHandle>,
        name: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), FieldError>> {
        let done = self.lent_fields()?.append(name, value);
        Ok(self.written(done))
    }

    fn remove(&mut self, _: Resource<FieldsHandle>, name: String) -> wasmtime::Result<bool> {
        Ok(self.lent_fields()?.remove(&name))
    }

    fn remove_all(
        &mut self,
        _: Resource<FieldsHandle>,
        names: Vec<String>,
    ) -> wasmtime::Result<()> {
        if names.len() > MAX_NAMES {
            let what = format!("it named more than {MAX_NAMES} fields to remove at once");
            return Err(wasmtime::Error::msg(what));
        }
        self.lent_fields()?.remove_all(&names);
        Ok(())
    }

    fn entries(&mut self, _: Resource<FieldsHandle>) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        let lines = self.lent_fields()?.fields().iter();
        // Names are tokens, and tokens are ASCII.
        let line = |line: &crate::http::Field| {
            let name = String::from_utf8_lossy(&line.name).into_owned();
            (name, line.value.to_vec())
        };
        Ok(lines.map(line).collect())
    }

    fn drop(&mut self, _: Resource<FieldsHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Trace => tracing::Level::TRACE,
            log::Level::Debug => tracing::Level::DEBUG,
            log::Level::Info => tracing::Level::INFO,
            log::Level::Warn => tracing::Level::WARN,
            log::Level::Error => tracing::Level::ERROR,
        };
        self.log(level, &message);
        Ok(())
    }
}

impl metrics::Host for State {
    fn count(
        &mut self,
        name: String,
        labels: Vec<(String, String)>,
        by: u64,
    ) -> wasmtime::Result<()> {
        self.count(Key::new(name, labels), by);
        Ok(())
    }

    fn observe(
        &mut self,
        name: String,
        labels: Vec<(String, String)>,
        value: f64,
    ) -> wasmtime::Result<()> {
        self.observe(Key::new(name, labels), value);
        Ok(())
    }
}

impl kv::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.kv()?.get(&key, Instant::now()))
    }

    fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl: u64,
    ) -> wasmtime::Result<Result<(), kv::Refusal>> {
        let terms = self.kv_terms(ttl);
        let set = self.kv()?.set(&key, value, &terms);
        Ok(self.kept(set))
    }

    fn increment(
        &mut self,
        key: String,
        by: i64,
        ttl: u64,
    ) -> wasmtime::Result<Result<kv::Counted, kv::Refusal>> {
        let terms = self.kv_terms(ttl);
        let counted = self.kv()?.increment(&key, by, &terms);
        let counted = counted.map(|Counted { value, left }| kv::Counted {
            value,
            left: u64::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX),
        });
        Ok(self.kept(counted))
    }

    fn remove(&mut self, key: String) -> wasmtime::Result<bool> {
        Ok(self.kv()?.remove(&key, Instant::now()))
    }
}

impl State {
    /// Counts it where something was too much for the plugin's store.
    fn kept<T>(&self, done: Result<T, Refused>) -> Result<T, kv::Refusal> {
        done.map_err(|refused| {
            let refusal = match refused {
                Refused::TooLarge => kv::Refusal::TooLarge,
                Refused::Full => kv::Refusal::Full,
                Refused::NotANumber => return kv::Refusal::NotANumber,
            };
            self.meter.ran_into(Limit::Kv);
            refusal
        })
    }
}

pub(super) fn method(method: &Method) -> http::Method {
    match *method {
        Method::GET => http::Method::Get,
        Method::HEAD => http::Method::Head,
        Method::POST => http::Method::Post,
        Method::PUT => http::Method::Put,
        Method::DELETE => http::Method::Delete,
        Method::CONNECT => http::Method::Connect,
        Method::OPTIONS => http::Method::Options,
        Method::TRACE => http::Method::Trace,
        Method::PATCH => http::Method::Patch,
        ref other => http::Method::Other(other.as_str().to_owned()),
    }
}

fn scheme(scheme: &Scheme) -> Option<http::Scheme> {
    match scheme {
        Scheme::None => None,
        Scheme::Http => Some(http::Scheme::Http),
        Scheme::Https => Some(http::Scheme::Https),
        Scheme::CacheObject => Some(http::Scheme::CacheObject),
        Scheme::Other(other) => Some(http::Scheme::Other(other.to_string())),
    }
}

fn answer(answer: &Answer) -> http::Answer {
    http::Answer {
        finding: match answer.finding {
            Finding::Found => http::Finding::Found,
            Finding::NotFound => http::Finding::NotFound,
            Finding::Failed => http::Finding::Failed,
        },
        pairs: answer.pairs.clone(),
    }
}

pub(super) fn address(address: IpAddr) -> http::IpAddress {
    match address.to_canonical() {
        IpAddr::V4(address) => http::IpAddress::V4(address.octets().into()),
        IpAddr::V6(address) => http::IpAddress::V6(address.segments().into()),
    }
}
