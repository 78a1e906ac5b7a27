//! The hooks that there are.

use super::Version;
use std::fmt;

/// A hook that a plugin can serve: an interface of `wit/hooks.wit` or `wit/bodies.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook {
    /// `access`
    Access,
    /// `request-headers`
    RequestHeaders,
    /// `response-headers`
    ResponseHeaders,
    /// `cache-rules`
    CacheRules,
    /// `cache-key`
    CacheKey,
    /// `request-body`
    RequestBody,
    /// `response-body`
    ResponseBody,
    /// `observer`
    Observer,
}

// === impl Hook ===

impl Hook {
    /// All of them, in the order of their declaration.
    pub const ALL: [Hook; 8] = [
        Hook::Access,
        Hook::RequestHeaders,
        Hook::ResponseHeaders,
        Hook::CacheRules,
        Hook::CacheKey,
        Hook::RequestBody,
        Hook::ResponseBody,
        Hook::Observer,
    ];

    /// Whether it looks into bodies.
    pub(super) fn is_of_bodies(self) -> bool {
        matches!(self, Hook::RequestBody | Hook::ResponseBody)
    }

    /// Whether that version of the WIT has it.
    pub(super) fn is_in(self, version: Version) -> bool {
        let since = match self {
            Hook::CacheKey | Hook::RequestBody | Hook::ResponseBody | Hook::Observer => {
                Version::V0_2
            }
            _ => Version::V0_1,
        };
        version == Version::V0_2 || since == Version::V0_1
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hook::Access => "access",
            Hook::RequestHeaders => "request-headers",
            Hook::ResponseHeaders => "response-headers",
            Hook::CacheRules => "cache-rules",
            Hook::CacheKey => "cache-key",
            Hook::RequestBody => "request-body",
            Hook::ResponseBody => "response-body",
            Hook::Observer => "observer",
        })
    }
}
