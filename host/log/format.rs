//! A line for a record: pure.

use super::Record;
use crate::config::LogFormat;
use crate::decimal::{Decimal, push_address};
use std::io::Write as _;
use std::time::UNIX_EPOCH;

/// What lines look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) format: LogFormat,
    /// Query terms are left out.
    pub(super) strip_query: bool,
    /// Lines end in the request's number, where their format has no place of its own for it.
    pub(super) request_id: bool,
}

/// Appends the record's line. Whatever clients sent, it is one line of printable ASCII.
pub(super) fn line(out: &mut Vec<u8>, style: Style, record: &Record<'_>) {
    let uri = record.shown_uri(style.strip_query);
    match style.format {
        LogFormat::Squid => squid(out, uri, record),
        LogFormat::Combined => combined(out, uri, record),
        LogFormat::Json => json(out, uri, record),
    }
    if let Some(id) = record.request.filter(|_| style.request_id)
        && style.format != LogFormat::Json
    {
        let _ = write!(out, " request={id}");
    }
    out.push(b'\n');
}

/// What is shown of a URI.
pub fn shown_uri(uri: &str, strip_query: bool) -> &str {
    match uri.find('?') {
        // As in squid, the question mark stays.
        Some(query) if strip_query => &uri[..=query],
        _ => uri,
    }
}

/// `time elapsed client code/status bytes method URL user hierarchy/server type`
fn squid(out: &mut Vec<u8>, uri: &str, record: &Record<'_>) {
    let since = record
        .received
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        + record.elapsed;
    let outcome = record.outcome;
    let elapsed = u64::try_from(record.elapsed.as_millis()).unwrap_or(u64::MAX);
    padded(out, since.as_secs(), b' ', 9);
    out.push(b'.');
    padded(out, since.subsec_millis().into(), b'0', 3);
    out.push(b' ');
    padded(out, elapsed, b' ', 6);
    out.push(b' ');
    push_address(out, record.client);
    out.push(b' ');
    code(out, record);
    out.push(b'/');
    padded(out, outcome.status.into(), b'0', 3);
    out.push(b' ');
    out.extend_from_slice(&Decimal::of(outcome.sent));
    out.push(b' ');
    word(out, record.method.as_bytes());
    out.push(b' ');
    word(out, uri.as_bytes());
    out.push(b' ');
    user(out, record);
    match outcome.server {
        Some(server) => {
            out.extend_from_slice(b" HIER_DIRECT/");
            push_address(out, server);
            out.push(b' ');
        }
        None => out.extend_from_slice(b" HIER_NONE/- "),
    }
    let media_type = outcome.content_type.as_deref().unwrap_or_default();
    let media_type = media_type
        .split(|&octet| octet == b';')
        .next()
        .unwrap_or_default();
    word(out, media_type.trim_ascii());
}

fn code(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(record.outcome.code.as_str().as_bytes());
    if record.outcome.aborted {
        out.extend_from_slice(b"_ABORTED");
    }
}

/// A number at the end of so many octets, or of more where it is longer.
fn padded(out: &mut Vec<u8>, number: u64, padding: u8, width: usize) {
    let digits = Decimal::of(number);
    out.resize(out.len() + width.saturating_sub(digits.len()), padding);
    out.extend_from_slice(&digits);
}

/// `client - user [time] "request" status bytes "referer" "agent" code:hierarchy`
fn combined(out: &mut Vec<u8>, uri: &str, record: &Record<'_>) {
    let outcome = record.outcome;
    let time = jiff::Timestamp::try_from(record.received)
        .map(|time| time.to_zoned(jiff::tz::TimeZone::system()))
        .map(|time| time.strftime("%d/%b/%Y:%H:%M:%S %z").to_string())
        .unwrap_or_default();
    let _ = write!(out, "{} - ", record.client);
    user(out, record);
    let _ = write!(out, " [{time}] \"");
    word(out, record.method.as_bytes());
    out.push(b' ');
    word(out, uri.as_bytes());
    let _ = match record.version {
        Some(version) => write!(out, " HTTP/{version}\""),
        None => write!(out, "\""),
    };
    let _ = write!(out, " {} {}", outcome.status, outcome.sent);
    for name in ["referer", "user-agent"] {
        let value = record.fields.and_then(|fields| fields.get(name));
        out.extend_from_slice(b" \"");
        match value {
            Some(value) => quoted(out, value),
            None => out.push(b'-'),
        }
        out.push(b'"');
    }
    out.push(b' ');
    code(out, record);
    let hierarchy = if outcome.server.is_some() {
        "HIER_DIRECT"
    } else {
        "HIER_NONE"
    };
    let _ = write!(out, ":{hierarchy}");
}

fn json(out: &mut Vec<u8>, uri: &str, record: &Record<'_>) {
    let outcome = record.outcome;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let field = |name: &str| {
        record
            .fields
            .and_then(|f| f.get(name))
            .map(|value| text(value))
    };
    let rule = outcome.rule.as_ref();
    let mut words = Vec::new();
    code(&mut words, record);
    let time = record
        .received
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let line = serde_json::json!({
        "request": record.request,
        "time": (time.as_secs_f64() * 1000.0).round() / 1000.0,
        "elapsed_us": u64::try_from(record.elapsed.as_micros()).unwrap_or(u64::MAX),
        "client": record.client.to_string(),
        "user": outcome.user.as_deref(),
        "method": record.method,
        "uri": uri,
        "version": record.version.map(|version| version.to_string()),
        "code": text(&words),
        "status": outcome.status,
        "bytes_sent": outcome.sent,
        "bytes_received": outcome.received,
        "server": outcome.server.map(|server| server.to_string()),
        "content_type": outcome.content_type.as_deref().map(text),
        "user_agent": field("user-agent"),
        "generation": record.generation,
        "plugin": rule.map(|rule| &*rule.plugin),
        "rule": rule.map(|rule| &*rule.text),
        "rule_at": rule.and_then(|rule| rule.location.as_ref()).map(ToString::to_string),
        "error": outcome.error,
    });
    // Writing to a vector cannot fail, nor can these types.
    let _ = serde_json::to_writer(&mut *out, &line);
}

/// A name is not encoded yet, as a URI is: a percent sign in it is one, as squid has it.
fn user(out: &mut Vec<u8>, record: &Record<'_>) {
    let user = record.outcome.user.as_deref().unwrap_or_default();
    encoded(out, user.as_bytes(), b"\"%");
}

/// Octets that must not end a word: everything but printable ASCII is percent-encoded.
fn word(out: &mut Vec<u8>, octets: &[u8]) {
    encoded(out, octets, b"\"");
}

fn encoded(out: &mut Vec<u8>, octets: &[u8], special: &[u8]) {
    let plain = |octet: &u8| matches!(octet, b'!'..=b'~') && !special.contains(octet);
    if octets.is_empty() {
        out.push(b'-');
    }
    // Nearly all are, and go in one piece.
    if octets.iter().all(plain) {
        return out.extend_from_slice(octets);
    }
    for octet in octets {
        match plain(octet) {
            true => out.push(*octet),
            false => {
                let _ = write!(out, "%{octet:02X}");
            }
        }
    }
}

/// Octets within quotes: what would end them, or the line, is escaped as Apache does.
fn quoted(out: &mut Vec<u8>, octets: &[u8]) {
    for &octet in octets {
        match octet {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', octet]),
            b' '..=b'~' => out.push(octet),
            _ => {
                let _ = write!(out, "\\x{octet:02x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Fields, Version};
    use crate::log::Code;
    use crate::plugin::Rule;
    use crate::transaction::Outcome;
    use proptest::prelude::*;
    use std::time::Duration;

    fn rendered(format: LogFormat, strip: bool, record: &Record<'_>) -> String {
        let style = Style {
            format,
            strip_query: strip,
            request_id: false,
        };
        styled(style, record)
    }

    fn styled(style: Style, record: &Record<'_>) -> String {
        let mut out = Vec::new();
        line(&mut out, style, record);
        String::from_utf8(out).expect("ASCII")
    }

    fn outcome() -> Outcome {
        Outcome {
            code: Code::Miss,
            status: 200,
            server: Some([198, 51, 100, 10].into()),
            content_type: Some("text/html; charset=utf-8".into()),
            sent: 209,
            rule: Some(Rule::new(
                "access-policy",
                "http_access allow localnet",
                None,
            )),
            ..Outcome::default()
        }
    }

    fn record<'a>(outcome: &'a Outcome, uri: &'a str, fields: &'a Fields) -> Record<'a> {
        Record {
            request: Some(1001),
            received: UNIX_EPOCH + Duration::from_millis(1_795_390_775_101),
            elapsed: Duration::from_micros(3_900),
            client: [10, 0, 2, 10].into(),
            method: "GET",
            uri,
            version: Some(Version::Http11),
            fields: Some(fields),
            generation: 7,
            outcome,
        }
    }

    #[test]
    fn squid_s_native_format() {
        let (outcome, fields) = (outcome(), Fields::default());
        let record = record(&outcome, "http://origin.test/a?b=c", &fields);
        assert_eq!(
            rendered(LogFormat::Squid, true, &record),
            "1795390775.104      3 10.0.2.10 TCP_MISS/200 209 GET http://origin.test/a? - \
             HIER_DIRECT/198.51.100.10 text/html\n"
        );
        let full = rendered(LogFormat::Squid, false, &record);
        assert!(full.contains(" http://origin.test/a?b=c "), "{full}");
    }

    #[test]
    fn the_user_is_one_word_in_its_column() {
        let fields = Fields::default();
        for (user, shown) in [
            (None, "-"),
            (Some("ann"), "ann"),
            (Some("Jos\u{e9} \"50%\"\n"), "Jos%C3%A9%20%2250%25%22%0A"),
        ] {
            let outcome = Outcome {
                user: user.map(Into::into),
                ..outcome()
            };
            let record = record(&outcome, "http://a/", &fields);
            let squid = rendered(LogFormat::Squid, true, &record);
            let column = format!(" http://a/ {shown} HIER_DIRECT/198.51.100.10 ");
            assert!(squid.contains(&column), "{squid}");
            let combined = rendered(LogFormat::Combined, true, &record);
            let column = format!("10.0.2.10 - {shown} [");
            assert!(combined.starts_with(&column), "{combined}");
            let json = rendered(LogFormat::Json, true, &record);
            let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
            assert_eq!(json["user"].as_str(), user);
        }
    }

    #[test]
    fn a_client_that_left_and_nothing_else_known() {
        let aborted = Outcome {
            code: Code::Miss,
            aborted: true,
            ..Outcome::default()
        };
        let none = Fields::default();
        let record = Record {
            version: None,
            fields: None,
            method: "-",
            ..record(&aborted, "error:invalid-request", &none)
        };
        let line = rendered(LogFormat::Squid, true, &record);
        assert!(
            line.ends_with(
                " 10.0.2.10 TCP_MISS_ABORTED/000 0 - error:invalid-request - HIER_NONE/- -\n"
            ),
            "{line}"
        );
    }

    #[test]
    fn combined_quotes_what_clients_send() {
        let outcome = outcome();
        let mut fields = Fields::default();
        fields.push("User-Agent", "a\"b\\ \u{e9}");
        let line = rendered(
            LogFormat::Combined,
            true,
            &record(&outcome, "http://a/", &fields),
        );
        assert!(line.starts_with("10.0.2.10 - - ["), "{line}");
        assert!(
            line.ends_with(
                "] \"GET http://a/ HTTP/1.1\" 200 209 \"-\" \"a\\\"b\\\\ \\xc3\\xa9\" \
                 TCP_MISS:HIER_DIRECT\n"
            ),
            "{line}"
        );
    }

    #[test]
    fn json_has_generation_and_rule() {
        let (outcome, fields) = (outcome(), Fields::default());
        let line = rendered(
            LogFormat::Json,
            true,
            &record(&outcome, "http://a/", &fields),
        );
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["request"], 1001);
        assert_eq!(line["generation"], 7);
        assert_eq!(line["rule"], "http_access allow localnet");
        assert_eq!(line["code"], "TCP_MISS");
        assert_eq!(line["time"], 1_795_390_775.101);
    }

    #[test]
    fn lines_end_in_the_request_s_number_where_that_is_wanted() {
        let (outcome, fields) = (outcome(), Fields::default());
        let record = record(&outcome, "http://a/", &fields);
        for (format, end) in [
            (LogFormat::Squid, " text/html request=1001\n"),
            (LogFormat::Combined, " TCP_MISS:HIER_DIRECT request=1001\n"),
            (LogFormat::Json, "}\n"),
        ] {
            let style = Style {
                format,
                strip_query: true,
                request_id: true,
            };
            let line = styled(style, &record);
            assert!(line.ends_with(end), "{line}");
            // What is no request has none.
            let unread = Record {
                request: None,
                ..record
            };
            assert!(!styled(style, &unread).contains("request="), "{format:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_padded_as_std_does(number: u64, digits in 0..64_u32) {
            let number = number >> digits;
            for (padding, expected) in [(b' ', format!("{number:6}")), (b'0', format!("{number:06}"))] {
                let mut out = Vec::new();
                padded(&mut out, number, padding, 6);
                prop_assert_eq!(String::from_utf8(out), Ok(expected));
            }
        }

        /// As an octet at a time would be.
        #[test]
        fn words_are_printable_ascii(octets in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut out = Vec::new();
            word(&mut out, &octets);
            prop_assert!(out.iter().all(|octet| octet.is_ascii_graphic() && *octet != b'"'));
            let mut one_by_one = Vec::new();
            for octet in &octets {
                word(&mut one_by_one, &[*octet]);
            }
            prop_assert!(out == one_by_one || (octets.is_empty() && out == b"-"));
        }

        /// However long and odd, it is one whole line of as many words as the format has.
        #[test]
        fn lines_stay_whole(uri in ".{0,300}", method in "[!-~]{1,20}", user in ".{0,50}", strip: bool) {
            let outcome = Outcome { user: Some(user.into()), ..outcome() };
            let fields = Fields::default();
            let record = Record { method: &method, ..record(&outcome, &uri, &fields) };
            for format in [LogFormat::Squid, LogFormat::Combined, LogFormat::Json] {
                let line = rendered(format, strip, &record);
                prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
            }
            let squid = rendered(LogFormat::Squid, strip, &record);
            prop_assert_eq!(squid.split_whitespace().count(), 10);
        }
    }
}
