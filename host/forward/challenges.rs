//! Credentials that vouch for a connection, not for a request (RFC 4559 §5): what others ask on that
//! connection would be answered as if their owner had asked.

use crate::http::Fields;

/// The schemes that do so.
const SCHEMES: [&str; 2] = ["ntlm", "negotiate"];

/// Whether these credentials, or this challenge, are of such a scheme.
fn is_about_connection(text: &[u8]) -> bool {
    let end = text
        .iter()
        .position(|octet| octet.is_ascii_whitespace() || *octet == b',');
    let scheme = &text[..end.unwrap_or(text.len())];
    let mut schemes = SCHEMES.iter();
    schemes.any(|name| scheme.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether a request vouches for the connection that it goes out on.
pub(super) fn vouches_for_connection(request: &Fields) -> bool {
    request
        .all("authorization")
        .any(|value| is_about_connection(value))
}

/// Takes off challenges that could only be met on a connection of the client's own. Others on the
/// same line stay.
pub(super) fn remove_connection_challenges(response: &mut Fields) {
    const NAME: &str = "www-authenticate";
    // Mostly there is none.
    if !response.has(NAME) {
        return;
    }
    let mut left = Fields::with_capacity(response.len());
    for line in response.iter() {
        match line.is(NAME).then(|| without_connection(&line.value)) {
            None => left.push(line.name.clone(), line.value.clone()),
            Some(value) if value.is_empty() => {}
            Some(value) => left.push(line.name.clone(), value),
        }
    }
    *response = left;
}

/// A line's challenges without those. A comma stands between two challenges, and between the
/// parameters of one (RFC 9110 §11.6.1).
fn without_connection(line: &[u8]) -> Vec<u8> {
    let mut removes = false;
    let left = elements(line).filter(|element| {
        if !is_parameter(element) {
            removes = is_about_connection(element);
        }
        !removes
    });
    left.collect::<Vec<_>>().join(&b", "[..])
}

/// `realm="x"`, not `Basic realm="x"`, `Negotiate` or `Negotiate YII=`.
fn is_parameter(element: &[u8]) -> bool {
    let name = element
        .iter()
        .take_while(|octet| !octet.is_ascii_whitespace() && **octet != b'=');
    element[name.count()..].trim_ascii_start().starts_with(b"=")
}

/// A list's elements; commas in quoted strings are none of its own.
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let is_comma = move |octet: &u8| {
        let taken_as_it_is = std::mem::take(&mut escaped);
        match octet {
            _ if taken_as_it_is => {}
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => {}
        }
        *octet == b',' && !quoted
    };
    let elements = line.split(is_comma).map(<[u8]>::trim_ascii);
    elements.filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_challenges_on_a_line_those_for_the_connection_are_taken_off() {
        for (line, left) in [
            ("Basic realm=\"a\"", "Basic realm=\"a\""),
            ("NTLM", ""),
            ("negotiate YIIJvwYG==", ""),
            ("Negotiate, NTLM", ""),
            (
                "Negotiate,Basic realm=\"a, b\",charset=\"UTF-8\"",
                "Basic realm=\"a, b\", charset=\"UTF-8\"",
            ),
            ("Negotiate YII=, Basic realm=a", "Basic realm=a"),
            (
                "Digest realm=\"a\", qop = \"auth, auth-int\", NTLM , Basic realm=\"\\\", NTLM\"",
                "Digest realm=\"a\", qop = \"auth, auth-int\", Basic realm=\"\\\", NTLM\"",
            ),
            ("NTLM a=b, c=d, Bearer", "Bearer"),
            (",, Bearer ,", "Bearer"),
            ("Negotiated realm=a", "Negotiated realm=a"),
        ] {
            let mut fields = Fields::default();
            fields.push("X", "Negotiate");
            fields.push("WWW-Authenticate", line);
            let mut expected = Fields::default();
            expected.push("X", "Negotiate");
            if !left.is_empty() {
                expected.push("WWW-Authenticate", left);
            }
            remove_connection_challenges(&mut fields);
            assert_eq!(fields, expected, "{line}");
        }
    }

    #[test]
    fn credentials_that_vouch_for_a_connection() {
        for (credentials, vouch) in [
            ("Basic YTpi", false),
            ("NTLM TlRM", true),
            ("negotiate", true),
            ("Negotiate, Basic YTpi", true),
            ("Bearer negotiate", false),
        ] {
            let mut fields = Fields::default();
            fields.push("Authorization", credentials);
            assert_eq!(vouches_for_connection(&fields), vouch, "{credentials}");
        }
    }
}
