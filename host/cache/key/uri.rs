//! URIs that are the same in different spellings (RFC 3986 §6.2, RFC 9110 §4.2.3).

use crate::http::Authority;
use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// A URI in the form that stands for all its spellings: scheme and host in lower case, the scheme's
/// port left out, escapes in upper case and only where they are needed, no dot segments, a path,
/// no fragment. What has malformed escapes is no URI, and its path stays as it is.
pub fn normalised(uri: &str) -> Cow<'_, str> {
    if is_normal(uri) {
        return uri.into();
    }
    let uri = uri.split('#').next().unwrap_or_default();
    let Some((scheme, authority, tail)) = parts(uri) else {
        return uri.into();
    };
    let mut normal = scheme.to_ascii_lowercase();
    normal.push_str("://");
    push_authority(authority, &mut normal);
    let (path, query) = tail.split_at(tail.find('?').unwrap_or(tail.len()));
    match (unescaped(path), unescaped(query)) {
        (Some(path), Some(query)) => {
            push_without_dots(&path, &mut normal);
            normal.push_str(&query);
        }
        _ => {
            if path.is_empty() {
                normal.push('/');
            }
            normal.push_str(tail);
        }
    }
    match normal == uri {
        true => uri.into(),
        false => normal.into(),
    }
}

/// Whether the path has segments that normalisation removes, however they are spelt. Clients
/// remove them before they ask (RFC 3986 §5.2.4), and a server that is asked all the same may
/// answer as for another resource: nobody else should get that answer.
pub fn has_dot_segments(uri: &str) -> bool {
    // Nearly all have neither dot nor escape where such a segment could begin.
    if memchr(b'%', uri.as_bytes()).is_none() && !uri.contains("/.") && !uri.starts_with('.') {
        return false;
    }
    let tail = parts(uri).map_or(uri, |(_, _, tail)| tail);
    let path = tail.split(['?', '#']).next().unwrap_or_default();
    path.split('/').any(|segment| {
        let first = segment.as_bytes().first();
        first.is_some_and(|octet| b".%".contains(octet))
            && unescaped(segment).is_some_and(|segment| matches!(&*segment, "." | ".."))
    })
}

/// The normalised absolute URI of a reference (RFC 3986 §5.2), where it has the same origin as the
/// base.
pub fn same_origin(base: &str, reference: &str) -> Option<String> {
    let base = normalised(base);
    let (scheme, authority, tail) = parts(&base)?;
    let origin = &base[..base.len() - tail.len()];
    let reference = reference.split('#').next().unwrap_or_default();
    let path = tail.split('?').next().unwrap_or_default();
    let absolute = if scheme_end(reference).is_some() {
        reference.to_owned()
    } else if reference.starts_with("//") {
        format!("{scheme}:{reference}")
    } else if reference.starts_with('/') {
        format!("{origin}{reference}")
    } else if reference.starts_with('?') {
        format!("{origin}{path}{reference}")
    } else if reference.is_empty() {
        base.to_string()
    } else {
        let directory = &path[..path.rfind('/').map_or(0, |slash| slash + 1)];
        format!("{origin}{directory}{reference}")
    };
    let absolute = normalised(&absolute);
    let same = parts(&absolute)
        .is_some_and(|(its_scheme, its, _)| its_scheme == scheme && its == authority);
    same.then(|| absolute.into_owned())
}

/// Scheme, authority, and all that follows.
fn parts(uri: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = uri.split_at(scheme_end(uri)?);
    let rest = rest.strip_prefix("://")?;
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    Some((scheme, authority, tail))
}

/// Where the colon after the scheme is (RFC 3986 §3.1); none in a relative reference.
fn scheme_end(uri: &str) -> Option<usize> {
    let rest = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
    let end = uri.find(|letter| !rest(letter))?;
    let starts = uri.starts_with(|letter: char| letter.is_ascii_alphabetic());
    (starts && uri[end..].starts_with(':')).then_some(end)
}

/// Whether that is certainly the normal form: nearly all are, and this is on the way of every hit.
fn is_normal(uri: &str) -> bool {
    let (rest, default_port) = if let Some(rest) = uri.strip_prefix("http://") {
        (rest, 80)
    } else if let Some(rest) = uri.strip_prefix("https://") {
        (rest, 443)
    } else {
        return false;
    };
    let Some(slash) = rest.find('/') else {
        return false;
    };
    let (authority, tail) = rest.split_at(slash);
    Authority::is_normal(authority.as_bytes(), default_port)
        && memchr2(b'%', b'#', tail.as_bytes()).is_none()
        && !tail.contains("/.")
}

/// Lower case, and without the port that the scheme implies.
fn push_authority(authority: &str, normal: &mut String) {
    let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    normal.push_str(user);
    let Ok(mut parsed) = Authority::parse(host.as_bytes()) else {
        normal.push_str(&host.to_ascii_lowercase());
        return;
    };
    let default_port = match normal.split(':').next() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    if parsed.port == default_port {
        parsed.port = None;
    }
    normal.push_str(&parsed.to_string());
}

/// Escapes in upper case, and those of unreserved characters decoded (RFC 3986 §6.2.2.1,
/// §6.2.2.2); none where one is malformed.
fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut plain = String::with_capacity(text.len());
    let mut pieces = text.split('%');
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let octet = u8::from_str_radix(digits, 16).ok()?;
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            plain.push(char::from(octet));
        } else {
            plain.push('%');
            plain.push_str(&digits.to_ascii_uppercase());
        }
        plain.push_str(rest);
    }
    Some(plain.into())
}

/// An absolute path without its dot segments (RFC 3986 §5.2.4); `/` for none.
fn push_without_dots(path: &str, normal: &mut String) {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // What was left is a directory.
                if is_last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    for segment in kept {
        normal.push('/');
        normal.push_str(segment);
    }
}
