//! What wit-bindgen makes of the WIT files: one module for each hook, so that a plugin exports
//! the hooks it has and no more.

pub mod base {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wproxy:sdk;
            world base {
                import wproxy:plugin/http@0.2.0;
                import wproxy:plugin/log@0.2.0;
                export wproxy:plugin/lifecycle@0.2.0;
            }
        ",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_base",
        default_bindings_module: "wproxy_sdk::bindings::base",
    });
}

pub mod access {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wproxy:sdk;
            world access { export wproxy:plugin/access@0.2.0; }
        ",
        with: {
            "wproxy:plugin/http@0.2.0": crate::bindings::base::wproxy::plugin::http,
            "wproxy:plugin/access@0.2.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_access",
        default_bindings_module: "wproxy_sdk::bindings::access",
    });
}

pub mod headers {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wproxy:sdk;
            world headers {
                export wproxy:plugin/request-headers@0.2.0;
                export wproxy:plugin/response-headers@0.2.0;
            }
        ",
        with: {
            "wproxy:plugin/http@0.2.0": crate::bindings::base::wproxy::plugin::http,
            "wproxy:plugin/request-headers@0.2.0": generate,
            "wproxy:plugin/response-headers@0.2.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_headers",
        default_bindings_module: "wproxy_sdk::bindings::headers",
    });
}

pub mod cache_rules {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wproxy:sdk;
            world cache-rules { export wproxy:plugin/cache-rules@0.2.0; }
        ",
        with: {
            "wproxy:plugin/http@0.2.0": crate::bindings::base::wproxy::plugin::http,
            "wproxy:plugin/cache-rules@0.2.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_cache_rules",
        default_bindings_module: "wproxy_sdk::bindings::cache_rules",
    });
}

pub mod cache_key {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wproxy:sdk;
            world cache-key { export wproxy:plugin/cache-key@0.2.0; }
        ",
        with: {
            "wproxy:plugin/http@0.2.0": crate::bindings::base::wproxy::plugin::http,
            "wproxy:plugin/cache-key@0.2.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_cache_key",
        default_bindings_module: "wproxy_sdk::bindings::cache_key",
    });
}

pub mod observer {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wproxy:sdk;
            world observer { export wproxy:plugin/observer@0.2.0; }
        ",
        with: {
            "wproxy:plugin/http@0.2.0": crate::bindings::base::wproxy::plugin::http,
            "wproxy:plugin/observer@0.2.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_observer",
        default_bindings_module: "wproxy_sdk::bindings::observer",
    });
}
pub mod explain {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wproxy:sdk;
            world explain { export wproxy:plugin/explain@0.2.0; }
        ",
        with: {
            "wproxy:plugin/http@0.2.0": crate::bindings::base::wproxy::plugin::http,
            "wproxy:plugin/explain@0.2.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_explain",
        default_bindings_module: "wproxy_sdk::bindings::explain",
    });
}
pub mod request_body {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wproxy:sdk;
            world request-body { export wproxy:plugin/request-body@0.2.0; }
        ",
        with: {
            "wproxy:plugin/http@0.2.0": crate::bindings::base::wproxy::plugin::http,
            "wproxy:plugin/bodies@0.2.0": generate,
            "wproxy:plugin/request-body@0.2.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_request_body",
        default_bindings_module: "wproxy_sdk::bindings::request_body",
    });
}

pub mod response_body {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package wproxy:sdk;
            world response-body { export wproxy:plugin/response-body@0.2.0; }
        ",
        with: {
            "wproxy:plugin/http@0.2.0": crate::bindings::base::wproxy::plugin::http,
            "wproxy:plugin/bodies@0.2.0":
                crate::bindings::request_body::wproxy::plugin::bodies,
            "wproxy:plugin/response-body@0.2.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_response_body",
        default_bindings_module: "wproxy_sdk::bindings::response_body",
    });
}
