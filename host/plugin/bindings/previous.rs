//! The interfaces of version 0.1, as they are served to components that were built for it: what
//! has not changed is answered by the current ones.

use super::generated::wproxy::plugin::{http as current, log as current_log};
use super::{HasState, access};
use crate::plugin::state::{FieldsHandle, RequestHandle, State};
pub use generated::exports::wproxy::plugin::access::Verdict;
use generated::exports::wproxy::plugin::access::{Denial, Matched};
use generated::wproxy::plugin::{http, log};
use wasmtime::component::{Linker, Resource};

mod generated {
    wasmtime::component::bindgen!({
        path: "wit/0.1",
        inline: "
            package wproxy:host-before;
            world host {
                import wproxy:plugin/http@0.1.0;
                import wproxy:plugin/log@0.1.0;
                export wproxy:plugin/access@0.1.0;
            }
        ",
        with: {
            "wproxy:plugin/http.request": crate::plugin::state::RequestHandle,
            "wproxy:plugin/http.fields": crate::plugin::state::FieldsHandle,
        },
        imports: { default: trappable },
    });
}

/// Nothing that it can say means anything else now.
impl From<Verdict> for access::Verdict {
    fn from(verdict: Verdict) -> access::Verdict {
        match verdict {
            Verdict::Pass => access::Verdict::Pass,
            Verdict::Allow(Matched { rule }) => access::Verdict::Allow(access::Matched { rule }),
            Verdict::Deny(Denial {
                rule,
                status,
                message,
            }) => access::Verdict::Deny(access::Denial {
                rule,
                status,
                message,
            }),
            Verdict::Resolve => access::Verdict::Resolve,
            Verdict::Authenticate(challenge) => access::Verdict::Authenticate(challenge),
        }
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    http::add_to_linker::<_, HasState>(linker, |state| state)?;
    log::add_to_linker::<_, HasState>(linker, |state| state)
}

type Request = Resource<RequestHandle>;
type Fields = Resource<FieldsHandle>;

impl http::Host for State {}

impl http::HostRequest for State {
    fn method(&mut self, _: Request) -> wasmtime::Result<String> {
        Ok(self.lent_request()?.method.to_string())
    }

    fn scheme(&mut self, _: Request) -> wasmtime::Result<String> {
        Ok(self.lent_request()?.target.scheme.as_str().to_owned())
    }

    fn host(&mut self, request: Request) -> wasmtime::Result<String> {
        current::HostRequest::host(self, request)
    }

    fn port(&mut self, request: Request) -> wasmtime::Result<u16> {
        current::HostRequest::port(self, request)
    }

    fn path(&mut self, request: Request) -> wasmtime::Result<String> {
        current::HostRequest::path(self, request)
    }

    fn uri(&mut self, request: Request) -> wasmtime::Result<String> {
        current::HostRequest::uri(self, request)
    }

    fn client(&mut self, request: Request) -> wasmtime::Result<http::IpAddress> {
        current::HostRequest::client(self, request).map(address)
    }

    fn addresses(&mut self, request: Request) -> wasmtime::Result<Option<Vec<http::IpAddress>>> {
        let known = current::HostRequest::addresses(self, request)?;
        Ok(known.map(|known| known.into_iter().map(address).collect()))
    }

    fn field(&mut self, request: Request, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        current::HostRequest::field(self, request, name)
    }

    fn received(&mut self, request: Request) -> wasmtime::Result<http::Moment> {
        let current::Moment { unix, utc_offset } = current::HostRequest::received(self, request)?;
        Ok(http::Moment { unix, utc_offset })
    }

    fn drop(&mut self, _: Request) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl http::HostFields for State {
    fn get(&mut self, fields: Fields, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        current::HostFields::get(self, fields, name)
    }

    fn has(&mut self, fields: Fields, name: String) -> wasmtime::Result<bool> {
        current::HostFields::has(self, fields, name)
    }

    fn set(
        &mut self,
        fields: Fields,
        name: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), http::FieldError>> {
        let set = current::HostFields::set(self, fields, name, value)?;
        Ok(set.map_err(refused))
    }

    fn append(
        &mut self,
        fields: Fields,
        name: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), http::FieldError>> {
        let appended = current::HostFields::append(self, fields, name, value)?;
        Ok(appended.map_err(refused))
    }

    fn remove(&mut self, fields: Fields, name: String) -> wasmtime::Result<bool> {
        current::HostFields::remove(self, fields, name)
    }

    fn entries(&mut self, fields: Fields) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        current::HostFields::entries(self, fields)
    }

    fn drop(&mut self, _: Fields) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Trace => current_log::Level::Trace,
            log::Level::Debug => current_log::Level::Debug,
            log::Level::Info => current_log::Level::Info,
            log::Level::Warn => current_log::Level::Warn,
            log::Level::Error => current_log::Level::Error,
        };
        current_log::Host::write(self, level, message)
    }
}

fn address(address: current::IpAddress) -> http::IpAddress {
    match address {
        current::IpAddress::V4(address) => http::IpAddress::V4(address),
        current::IpAddress::V6(address) => http::IpAddress::V6(address),
    }
}

fn refused(why: current::FieldError) -> http::FieldError {
    match why {
        current::FieldError::Syntax => http::FieldError::Syntax,
        current::FieldError::HostOwned => http::FieldError::HostOwned,
        current::FieldError::TooLarge => http::FieldError::TooLarge,
    }
}
