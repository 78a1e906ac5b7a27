//! Values that the proxy writes into fields.

use std::time::SystemTime;

/// An HTTP-date (RFC 9110 §5.6.7).
pub fn date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

/// A token or a string of RFC 8941, to name the proxy in Proxy-Status and Cache-Status.
pub fn structured_name(host: &str) -> String {
    match host.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => host.to_owned(),
        false => quoted(host),
    }
}

/// A string of RFC 8941: printable ASCII in quotes.
pub fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ => quoted.push('?'),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_strings_are_printable_ascii() {
        assert_eq!(quoted("a \"b\" \\ \u{e9}\n"), r#""a \"b\" \\ ??""#);
        assert_eq!(structured_name("none"), "none");
        assert_eq!(structured_name("10.0.0.1"), "\"10.0.0.1\"");
    }
}
