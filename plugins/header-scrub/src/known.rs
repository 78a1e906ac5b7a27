//! The fields that squid has a name for. All others are `Other` in its configuration.

/// Lower case, sorted.
const KNOWN: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "alternate-protocol",
    "authentication-info",
    "authorization",
    "cache-control",
    "cache-status",
    "cdn-loop",
    "connection",
    "content-base",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "cookie",
    "cookie2",
    "date",
    "destination",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "from",
    "front-end-https",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "key",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "mime-version",
    "negotiate",
    "origin",
    "overwrite",
    "pragma",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "proxy-support",
    "public",
    "range",
    "referer",
    "request-range",
    "retry-after",
    "server",
    "set-cookie",
    "set-cookie2",
    "surrogate-capability",
    "surrogate-control",
    "te",
    "title",
    "trailer",
    "transfer-encoding",
    "translate",
    "unless-modified-since",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-cache",
    "x-cache-lookup",
    "x-forwarded-for",
    "x-request-uri",
    "x-squid-error",
];

/// Whether squid has a name for that field, given in lower case.
pub(crate) fn is_known(name: &str) -> bool {
    KNOWN.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(KNOWN.is_sorted());
    }
}
