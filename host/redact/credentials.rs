//! Secrets in fields: credentials, cookies, and values whose name says so.

use super::{Form, Secret, names, scan};

/// Schemes whose names are no secrets themselves: anything else before a space could be.
const SCHEMES: &[&str] = &[
    "AWS",
    "AWS4-ECDSA-P256-SHA256",
    "AWS4-HMAC-SHA256",
    "ApiKey",
    "Basic",
    "Bearer",
    "DPoP",
    "Digest",
    "GNAP",
    "HOBA",
    "Hawk",
    "Kerberos",
    "Mutual",
    "NTLM",
    "Negotiate",
    "OAuth",
    "PrivateToken",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "Token",
    "vapid",
];
/// Fields of credentials (RFC 9110 §11).
const CREDENTIALS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "authentication-info",
    "proxy-authentication-info",
];
/// Cookies that come back.
const COOKIES: &[&str] = &["cookie", "cookie2"];
/// Cookies that are set.
const SET_COOKIES: &[&str] = &["set-cookie", "set-cookie2"];
/// Those whose challenges have more in them than a name.
const WITH_TOKENS: &[&str] = &["Kerberos", "NTLM", "Negotiate"];
/// RFC 6265 §5.2, and what has come since: what stands beside a cookie's value.
const ATTRIBUTES: &[&str] = &[
    "comment",
    "domain",
    "expires",
    "httponly",
    "max-age",
    "partitioned",
    "path",
    "priority",
    "samesite",
    "secure",
    "version",
];

/// Whether a field of that name is there for credentials or cookies.
pub(super) fn is_field(name: &[u8]) -> bool {
    let all = [CREDENTIALS, COOKIES, SET_COOKIES];
    all.iter().any(|names| is_any(name, names))
}

fn is_any(name: &[u8], names: &[&str]) -> bool {
    let is = |other: &&str| name.eq_ignore_ascii_case(other.as_bytes());
    names.iter().any(is)
}

/// In a field's value.
pub(super) fn field(name: &[u8], value: &[u8]) -> Vec<Secret> {
    let any = |names: &[&str]| is_any(name, names);
    if any(CREDENTIALS) {
        credentials(value)
    } else if any(COOKIES) {
        cookies(value, &[])
    } else if any(SET_COOKIES) {
        cookies(value, ATTRIBUTES)
    } else if any(&["www-authenticate", "proxy-authenticate"]) {
        challenge(value)
    } else if names::is_secret(name) {
        whole(0, value)
    } else {
        scan::text(value)
    }
}

/// In a challenge (RFC 9110 §11.6.1).
pub(super) fn challenge(value: &[u8]) -> Vec<Secret> {
    match scheme(value) {
        Some((scheme, start)) if WITH_TOKENS.contains(&scheme) => whole(start, &value[start..]),
        _ => scan::text(value),
    }
}

/// All but a scheme that is known.
fn credentials(value: &[u8]) -> Vec<Secret> {
    match scheme(value) {
        Some((scheme, start)) => {
            let mut found = whole(start, &value[start..]);
            if let ("Basic", Some(secret)) = (scheme, found.first_mut()) {
                secret.form = Form::Basic;
            }
            found
        }
        None => whole(0, value),
    }
}

/// A known scheme, and where what follows it begins.
fn scheme(value: &[u8]) -> Option<(&'static str, usize)> {
    let space = memchr::memchr(b' ', value)?;
    let known = |scheme: &&&str| value[..space].eq_ignore_ascii_case(scheme.as_bytes());
    let scheme = SCHEMES.iter().find(known)?;
    Some((scheme, space + 1))
}

/// The values of pairs, but for those of these names. What is no pair could be a value alone.
fn cookies(value: &[u8], attributes: &[&str]) -> Vec<Secret> {
    let mut found = Vec::new();
    let mut start = 0;
    for (place, part) in value.split(|&octet| octet == b';').enumerate() {
        let equals = memchr::memchr(b'=', part);
        let name = part[..equals.unwrap_or(part.len())].trim_ascii();
        let is = |attribute: &&str| name.eq_ignore_ascii_case(attribute.as_bytes());
        if place == 0 || !attributes.iter().any(is) {
            // Padding is no value: `c2VjcmV0==`.
            let pair = equals.filter(|at| part[at + 1..].iter().any(|&octet| octet != b'='));
            let from = pair.map_or(0, |at| at + 1);
            found.extend(whole(start + from, &part[from..]));
        }
        start += part.len() + 1;
    }
    found
}

/// All of it that is not white space around it.
fn whole(start: usize, value: &[u8]) -> Vec<Secret> {
    let trimmed = value.trim_ascii();
    let before = value.len() - value.trim_ascii_start().len();
    match trimmed.is_empty() {
        true => Vec::new(),
        false => vec![Secret::plain(
            start + before..start + before + trimmed.len(),
        )],
    }
}
