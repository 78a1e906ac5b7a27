//! The hooks that there are.

use super::Version;
use std::fmt;

/// A hook that a plugin can serve: an interface of `wit/hooks.wit`.
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
    /// `observer`
    Observer,
}

// === impl Hook ===

impl Hook {
    /// All of them, in the order of their declaration.
    pub const ALL: [Hook; 6] = [
        Hook::Access,
        Hook::RequestHeaders,
        Hook::ResponseHeaders,
        Hook::CacheRules,
        Hook::CacheKey,
        Hook::Observer,
    ];

    /// Whether that version of the WIT has it.
    pub(super) fn is_in(self, version: Version) -> bool {
        version != Version::V0_1 || !matches!(self, Hook::CacheKey | Hook::Observer)
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
            Hook::Observer => "observer",
        })
    }
}
