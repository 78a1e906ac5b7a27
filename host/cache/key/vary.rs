//! What two requests have to have in common to get the same response (RFC 9111 §4.1).

use crate::http::{Fields, is_token};

/// More names than any response varies by. Every look into the cache compares each of them with all
/// lines of the request.
const MOST_NAMES: usize = 100;

/// The names in a response's Vary, sorted; none for `*`, which matches no request, for what is no
/// name, and for too many of them.
pub fn vary_names(response: &Fields) -> Option<Vec<String>> {
    let names = response.elements("vary").map(|name| {
        let name = std::str::from_utf8(name).ok()?;
        (name != "*" && is_token(name.as_bytes())).then(|| name.to_ascii_lowercase())
    });
    let mut names: Vec<String> = names.collect::<Option<_>>()?;
    names.sort_unstable();
    names.dedup();
    (names.len() <= MOST_NAMES).then_some(names)
}

/// Appends what a request has in that field, so that two requests match where the same is appended.
/// No field and an empty one are two things.
pub(super) fn push_value(name: &str, request: &Fields, out: &mut Vec<u8>) {
    let Some(value) = request.joined(name) else {
        out.push(0);
        return;
    };
    let normal = match name {
        "accept-encoding" | "accept-charset" => {
            let mut preferences = preferences(&value);
            // Their order says nothing (RFC 9110 §12.5.2, §12.5.3).
            preferences.sort_unstable();
            preferences.dedup();
            preferences.join(&b","[..])
        }
        // There are servers that take an order of languages for one of preference (§12.5.4).
        "accept" | "accept-language" => preferences(&value).join(&b","[..]),
        _ => elements(&value, b',').collect::<Vec<_>>().join(&b","[..]),
    };
    out.push(1);
    out.extend_from_slice(&(normal.len() as u64).to_be_bytes());
    out.extend_from_slice(&normal);
}

/// The members of an Accept field, each in one spelling: names are compared without case, and a
/// weight is a number (RFC 9110 §12.4.2).
fn preferences(value: &[u8]) -> Vec<Vec<u8>> {
    let members = elements(value, b',').filter(|member| !member.is_empty());
    members.map(preference).collect()
}

fn preference(member: &[u8]) -> Vec<u8> {
    let mut parameters = elements(member, b';');
    let mut normal = parameters.next().unwrap_or_default().to_ascii_lowercase();
    // §8.4.1: the older names of two codings.
    if matches!(&*normal, b"x-gzip" | b"x-compress") {
        normal.drain(..2);
    }
    for parameter in parameters.filter(|parameter| !parameter.is_empty()) {
        let equals = parameter.iter().position(|&octet| octet == b'=');
        let (name, value) = parameter.split_at(equals.unwrap_or(parameter.len()));
        let name = name.to_ascii_lowercase();
        let value = match &*name {
            b"q" => weight(value),
            _ => value,
        };
        // As if it were not there.
        if name == b"q" && value == b"=1" {
            continue;
        }
        normal.push(b';');
        normal.extend_from_slice(&name);
        normal.extend_from_slice(value);
    }
    normal
}

/// `=0.50` is `=0.5`, `=1.000` is `=1`.
fn weight(value: &[u8]) -> &[u8] {
    let Some(point) = value.iter().position(|&octet| octet == b'.') else {
        return value;
    };
    let zeros = value[point..]
        .iter()
        .rev()
        .take_while(|&&octet| octet == b'0');
    let value = &value[..value.len() - zeros.count()];
    value.strip_suffix(b".").unwrap_or(value)
}

/// What stands between separators that are not quoted, without white space around it.
fn elements(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = value.split(move |&octet| {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        octet == separator && !quoted
    });
    parts.map(<[u8]>::trim_ascii)
}
