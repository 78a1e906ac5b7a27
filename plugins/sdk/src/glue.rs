//! From the generated bindings to the traits that plugins implement. Nobody's to call but the
//! macro's.

#[doc(hidden)]
pub mod bindings;

use crate::bodies::{RequestBody, ResponseBody, Watch};
use crate::config::{self, ConfigError};
use crate::explain::{Explain, LookedAt};
use crate::hooks::*;
use crate::http::Incoming;
use crate::observer::Completed;
use bindings::base::wproxy::plugin::http as wit;
use std::sync::OnceLock;

/// Exports a type that implements [`Plugin`] with the hooks that it serves, once in a crate.
///
/// ```text
/// wproxy_sdk::export!(Policy: access, headers, cache_rules, cache_key, request_body, response_body, observer);
/// ```
///
/// Each hook wants its trait: `access` [`Access`], `headers` [`Headers`], `cache_rules`
/// [`CacheRules`], `cache_key` [`CacheKey`], `request_body` [`RequestBody`], `response_body`
/// [`ResponseBody`], `observer` [`Observer`]. The component serves those that are named and no
/// others. `explain`, which is no hook, wants [`Explain`]. The crate's type is `cdylib`, and `rlib`
/// too where its logic is tested natively.
///
/// Outside wasm nothing is exported.
///
/// [`Plugin`]: crate::Plugin
/// [`Access`]: crate::Access
/// [`Headers`]: crate::Headers
/// [`CacheRules`]: crate::CacheRules
/// [`CacheKey`]: crate::CacheKey
/// [`Observer`]: crate::Observer
/// [`Explain`]: crate::Explain
/// [`RequestBody`]: crate::RequestBody
/// [`ResponseBody`]: crate::ResponseBody
#[macro_export]
macro_rules! export {
    ($plugin:ty: $($hook:ident),+ $(,)?) => {
        const _: () = {
            static INSTANCE: std::sync::OnceLock<$plugin> = std::sync::OnceLock::new();
            struct Exports;

            use $crate::bindings::base::exports::wproxy::plugin::lifecycle;
            impl lifecycle::Guest for Exports {
                fn configure(config: String) -> $crate::instance::Configured {
                    $crate::instance::configure(&INSTANCE, &config)
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::bindings::base::export_base!(
                Exports with_types_in $crate::bindings::base
            );
            // Elsewhere nobody calls the exports; this is what counts them as used.
            #[cfg(not(target_family = "wasm"))]
            const _: fn(String) -> $crate::instance::Configured =
                <Exports as lifecycle::Guest>::configure;

            $($crate::__export_hook!($hook, INSTANCE);)+
        };
    };
}

/// One hook of [`export!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __export_hook {
    (access, $instance:ident) => {
        use $crate::bindings::access::exports::wproxy::plugin::access;
        impl access::Guest for Exports {
            fn authorize(request: $crate::instance::RequestRef<'_>) -> $crate::Verdict {
                $crate::instance::authorize(&$instance, request)
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::access::export_access!(
            Exports with_types_in $crate::bindings::access
        );
        #[cfg(not(target_family = "wasm"))]
        const _: fn($crate::instance::RequestRef<'_>) -> $crate::Verdict =
            <Exports as access::Guest>::authorize;
    };
    (headers, $instance:ident) => {
        use $crate::bindings::headers::exports::wproxy::plugin::{
            request_headers, response_headers,
        };
        impl request_headers::Guest for Exports {
            fn on_request(
                request: $crate::instance::RequestRef<'_>,
                fields: $crate::instance::FieldsRef<'_>,
            ) {
                $crate::instance::on_request(&$instance, request, fields);
            }
        }
        impl response_headers::Guest for Exports {
            fn on_response(
                request: $crate::instance::RequestRef<'_>,
                status: u16,
                fields: $crate::instance::FieldsRef<'_>,
            ) {
                $crate::instance::on_response(&$instance, request, status, fields);
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::headers::export_headers!(
            Exports with_types_in $crate::bindings::headers
        );
        #[cfg(not(target_family = "wasm"))]
        const _: fn($crate::instance::RequestRef<'_>, $crate::instance::FieldsRef<'_>) =
            <Exports as request_headers::Guest>::on_request;
        #[cfg(not(target_family = "wasm"))]
        const _: fn($crate::instance::RequestRef<'_>, u16, $crate::instance::FieldsRef<'_>) =
            <Exports as response_headers::Guest>::on_response;
    };
    (cache_rules, $instance:ident) => {
        use $crate::bindings::cache_rules::exports::wproxy::plugin::cache_rules;
        impl cache_rules::Guest for Exports {
            fn rule_for(
                request: $crate::instance::RequestRef<'_>,
                status: u16,
                fields: $crate::instance::FieldsRef<'_>,
            ) -> $crate::Decision {
                $crate::instance::rule_for(&$instance, request, status, fields)
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::cache_rules::export_cache_rules!(
            Exports with_types_in $crate::bindings::cache_rules
        );
        #[cfg(not(target_family = "wasm"))]
        const _: fn(
            $crate::instance::RequestRef<'_>,
            u16,
            $crate::instance::FieldsRef<'_>,
        ) -> $crate::Decision = <Exports as cache_rules::Guest>::rule_for;
    };
    (cache_key, $instance:ident) => {
        use $crate::bindings::cache_key::exports::wproxy::plugin::cache_key;
        impl cache_key::Guest for Exports {
            fn key_for(request: $crate::instance::RequestRef<'_>) -> $crate::Key {
                $crate::instance::key_for(&$instance, request)
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::cache_key::export_cache_key!(
            Exports with_types_in $crate::bindings::cache_key
        );
        #[cfg(not(target_family = "wasm"))]
        const _: fn($crate::instance::RequestRef<'_>) -> $crate::Key =
            <Exports as cache_key::Guest>::key_for;
    };
    (observer, $instance:ident) => {
        use $crate::bindings::observer::exports::wproxy::plugin::observer;
        impl observer::Guest for Exports {
            fn on_completed(batch: Vec<observer::Completed>) {
                $crate::instance::on_completed(&$instance, batch);
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::observer::export_observer!(
            Exports with_types_in $crate::bindings::observer
        );
        #[cfg(not(target_family = "wasm"))]
        const _: fn(Vec<observer::Completed>) = <Exports as observer::Guest>::on_completed;
    };
    (explain, $instance:ident) => {
        use $crate::bindings::explain::exports::wproxy::plugin::explain;
        impl explain::Guest for Exports {
            fn trace(request: $crate::instance::RequestRef<'_>) -> Vec<$crate::LookedAt> {
                $crate::instance::trace(&$instance, request)
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::explain::export_explain!(
            Exports with_types_in $crate::bindings::explain
        );
        #[cfg(not(target_family = "wasm"))]
        const _: fn($crate::instance::RequestRef<'_>) -> Vec<$crate::LookedAt> =
            <Exports as explain::Guest>::trace;
    };
    (request_body, $instance:ident) => {
        use $crate::bindings::request_body::exports::wproxy::plugin::request_body;
        static REQUEST_BODY: $crate::instance::Scanning = $crate::instance::Scanning::new();
        impl request_body::Guest for Exports {
            fn begin(
                request: $crate::instance::RequestRef<'_>,
                fields: $crate::instance::FieldsRef<'_>,
            ) -> request_body::Interest {
                let watch = $crate::instance::watch_request(&$instance, request, fields);
                REQUEST_BODY.begin(watch)
            }
            fn chunk(data: Vec<u8>) -> request_body::Verdict {
                REQUEST_BODY.chunk(&data)
            }
            fn end(all: bool) -> request_body::Ending {
                REQUEST_BODY.end(all)
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::request_body::export_request_body!(
            Exports with_types_in $crate::bindings::request_body
        );
        #[cfg(not(target_family = "wasm"))]
        const _: fn(
            $crate::instance::RequestRef<'_>,
            $crate::instance::FieldsRef<'_>,
        ) -> request_body::Interest = <Exports as request_body::Guest>::begin;
        #[cfg(not(target_family = "wasm"))]
        const _: (fn(Vec<u8>) -> request_body::Verdict, fn(bool) -> request_body::Ending) = (
            <Exports as request_body::Guest>::chunk,
            <Exports as request_body::Guest>::end,
        );
    };
    (response_body, $instance:ident) => {
        use $crate::bindings::response_body::exports::wproxy::plugin::response_body;
        static RESPONSE_BODY: $crate::instance::Scanning = $crate::instance::Scanning::new();
        impl response_body::Guest for Exports {
            fn begin(
                request: $crate::instance::RequestRef<'_>,
                status: u16,
                fields: $crate::instance::FieldsRef<'_>,
            ) -> response_body::Interest {
                let watch = $crate::instance::watch_response(&$instance, request, status, fields);
                RESPONSE_BODY.begin(watch)
            }
            fn chunk(data: Vec<u8>) -> response_body::Verdict {
                RESPONSE_BODY.chunk(&data)
            }
            fn end(all: bool) -> response_body::Ending {
                RESPONSE_BODY.end(all)
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::response_body::export_response_body!(
            Exports with_types_in $crate::bindings::response_body
        );
        #[cfg(not(target_family = "wasm"))]
        const _: fn(
            $crate::instance::RequestRef<'_>,
            u16,
            $crate::instance::FieldsRef<'_>,
        ) -> response_body::Interest = <Exports as response_body::Guest>::begin;
        #[cfg(not(target_family = "wasm"))]
        const _: (fn(Vec<u8>) -> response_body::Verdict, fn(bool) -> response_body::Ending) = (
            <Exports as response_body::Guest>::chunk,
            <Exports as response_body::Guest>::end,
        );
    };
}

/// What the export macro expands to calls of.
#[doc(hidden)]
pub mod instance {
    use super::*;

    pub use crate::bodies::Scanning;

    pub type RequestRef<'a> = &'a wit::Request;
    pub type FieldsRef<'a> = &'a wit::Fields;

    pub type Configured =
        Result<Spared, bindings::base::exports::wproxy::plugin::lifecycle::ConfigError>;

    pub fn configure<P: Plugin>(instance: &OnceLock<P>, config: &str) -> Configured {
        // Without WASI a panic has nowhere to say what it is about.
        #[cfg(all(target_family = "wasm", target_os = "unknown"))]
        std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string())));
        let plugin = config::parse(config).and_then(P::configure);
        let configured = plugin.and_then(|plugin| {
            let spared = plugin.spared();
            let again = |_| ConfigError::new("", "this instance is configured already");
            instance.set(plugin).map_err(again)?;
            Ok(spared)
        });
        configured.map_err(|ConfigError { at, message }| {
            bindings::base::exports::wproxy::plugin::lifecycle::ConfigError { at, message }
        })
    }

    pub fn authorize<P: Access>(instance: &OnceLock<P>, request: RequestRef<'_>) -> Verdict {
        ready(instance).authorize(&Incoming::new(request))
    }

    pub fn on_request<P: Headers>(
        instance: &OnceLock<P>,
        request: RequestRef<'_>,
        fields: FieldsRef<'_>,
    ) {
        ready(instance).on_request(&Incoming::new(request), fields);
    }

    pub fn on_response<P: Headers>(
        instance: &OnceLock<P>,
        request: RequestRef<'_>,
        status: u16,
        fields: FieldsRef<'_>,
    ) {
        ready(instance).on_response(&Incoming::new(request), status, fields);
    }

    pub fn rule_for<P: CacheRules>(
        instance: &OnceLock<P>,
        request: RequestRef<'_>,
        status: u16,
        fields: FieldsRef<'_>,
    ) -> Decision {
        ready(instance).rule_for(&Incoming::new(request), status, fields)
    }

    pub fn key_for<P: CacheKey>(instance: &OnceLock<P>, request: RequestRef<'_>) -> Key {
        ready(instance).key_for(&Incoming::new(request))
    }

    pub fn on_completed<P: Observer>(
        instance: &OnceLock<P>,
        batch: Vec<bindings::observer::exports::wproxy::plugin::observer::Completed>,
    ) {
        let batch: Vec<Completed> = batch.into_iter().map(Completed::from).collect();
        ready(instance).on_completed(&batch);
    }

    pub fn trace<P: Explain>(instance: &OnceLock<P>, request: RequestRef<'_>) -> Vec<LookedAt> {
        ready(instance).trace(&Incoming::new(request))
    }

    pub fn watch_request<P: RequestBody>(
        instance: &OnceLock<P>,
        request: RequestRef<'_>,
        fields: FieldsRef<'_>,
    ) -> Option<Watch> {
        ready(instance).watch_request(&Incoming::new(request), fields)
    }

    pub fn watch_response<P: ResponseBody>(
        instance: &OnceLock<P>,
        request: RequestRef<'_>,
        status: u16,
        fields: FieldsRef<'_>,
    ) -> Option<Watch> {
        ready(instance).watch_response(&Incoming::new(request), status, fields)
    }

    fn ready<P>(instance: &OnceLock<P>) -> &P {
        instance
            .get()
            .expect("the host calls configure before any hook")
    }
}
