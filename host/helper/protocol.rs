//! squid's helper protocol, a line in either direction (squid directive `external_acl_type`):
//! `[channel] key` and `[channel] OK|ERR|BH name=value...`. Pure.

use super::{Answer, Finding};
use std::borrow::Cow;

/// A line that is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Garbage {
    /// Neither OK, ERR nor BH.
    #[error("a line begins with OK, ERR or BH, not `{0}`")]
    Word(String),
    /// With `concurrency`, every line begins with a number.
    #[error("a line begins with the number of its channel, not `{0}`")]
    Channel(String),
}

/// What a program is asked, with the number of the channel where it has such.
pub fn question(channel: Option<usize>, key: &str) -> String {
    match channel {
        Some(channel) => format!("{channel} {key}\n"),
        None => format!("{key}\n"),
    }
}

/// What it answers, its end of line taken off: channel and answer. Without `channels` all of it is
/// about channel 0.
///
/// # Errors
/// It is no answer.
pub fn reply(line: &[u8], channels: bool) -> Result<(usize, Answer), Garbage> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches('\r');
    if !channels {
        return Ok((0, answer(text)?));
    }
    let (number, rest) = text.split_once(' ').unwrap_or((text, ""));
    let is_number = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
    let channel = number.parse().ok().filter(|_| is_number);
    let channel = channel.ok_or_else(|| Garbage::Channel(shown(number)))?;
    Ok((channel, answer(rest)?))
}

/// The answer alone: `OK user=ann`.
///
/// # Errors
/// It is none.
pub fn answer(text: &str) -> Result<Answer, Garbage> {
    let text = text.trim_start_matches(' ');
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let finding = match word {
        "OK" => Finding::Found,
        "ERR" => Finding::NotFound,
        "BH" => Finding::Failed,
        _ => return Err(Garbage::Word(shown(word))),
    };
    let (mut pairs, rest) = pairs(rest);
    // Helpers of old say in plain words what is the matter.
    if finding == Finding::Failed && !rest.is_empty() {
        pairs.push(("message".to_owned(), rest.to_owned()));
    }
    Ok(Answer { finding, pairs })
}

/// `name=value` as long as there are such, and what comes after them.
fn pairs(text: &str) -> (Vec<(String, String)>, &str) {
    let mut pairs = Vec::new();
    let mut rest = text.trim_ascii();
    while let Some((name, after)) = rest.split_once('=') {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if name.is_empty() || !name.chars().all(is_name) || after.starts_with(' ') {
            break;
        }
        let (value, after) = value(after);
        pairs.push((name.to_owned(), value));
        rest = after.trim_ascii_start();
    }
    (pairs, rest)
}

/// A value, and what comes after it: in quotes, with `\` before what is meant itself, or a word,
/// percent-encoded.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(' ').unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        return (decoded(word).into_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, c)| match c {
                'n' => '\n',
                'r' => '\r',
                other => other,
            })),
            other => value.push(other),
        }
    }
    // Without its end it ends with the line.
    (value, "")
}

/// Percent-encoding taken off. What is none stays as it is.
fn decoded(word: &str) -> Cow<'_, str> {
    if !word.contains('%') {
        return Cow::Borrowed(word);
    }
    let mut octets = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let hex = hex.filter(|hex| hex.bytes().all(|octet| octet.is_ascii_hexdigit()));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) if octet == b'%' => {
                octets.push(decoded);
                rest = &after[2..];
            }
            _ => {
                octets.push(octet);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned().into()
}

/// The beginning of what is wrong, for people.
fn shown(text: &str) -> String {
    let end = text.floor_char_boundary(60);
    text[..end].escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Pairs = &'static [(&'static str, &'static str)];

    #[test]
    fn replies_are_understood_as_squid_does() {
        let found = Finding::Found;
        #[rustfmt::skip]
        let cases: &[(&str, Finding, Pairs)] = &[
            ("OK", found, &[]),
            ("OK ", found, &[]),
            ("ERR", Finding::NotFound, &[]),
            ("OK user=ann tag=x", found, &[("user", "ann"), ("tag", "x")]),
            ("OK user=John%20Smith", found, &[("user", "John Smith")]),
            ("OK user=\"John Smith\"", found, &[("user", "John Smith")]),
            ("OK user=\"J. \\\"Bob\\\" Smith\" a-b_=1", found, &[("user", "J. \"Bob\" Smith"), ("a-b_", "1")]),
            ("OK user=\"a%20b\\\\\"", found, &[("user", "a%20b\\")]),
            ("OK message=\"a\\nb\\rc\"", found, &[("message", "a\nb\rc")]),
            ("OK user= tag=x", found, &[]),
            ("OK user=a=b", found, &[("user", "a=b")]),
            ("OK user=100%", found, &[("user", "100%")]),
            ("OK user=%zz%4", found, &[("user", "%zz%4")]),
            ("OK user=%c3%a4%ff", found, &[("user", "ä\u{fffd}")]),
            ("OK plain words user=ann", found, &[]),
            ("OK user=\"open", found, &[("user", "open")]),
            ("ERR message=no%20such", Finding::NotFound, &[("message", "no such")]),
            ("BH message=\"down\"", Finding::Failed, &[("message", "down")]),
            ("BH the disk is full", Finding::Failed, &[("message", "the disk is full")]),
        ];
        for (line, finding, pairs) in cases {
            let (channel, answer) = reply(line.as_bytes(), false).expect(line);
            assert_eq!((channel, answer.finding), (0, *finding), "{line}");
            let got = answer.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()));
            assert_eq!(got.collect::<Vec<_>>(), *pairs, "{line}");
        }
        assert_eq!(
            reply(b"OK user=a\r", false).expect("CR").1.pair("user"),
            Some("a")
        );
    }

    #[test]
    fn channels_are_numbers_before_the_answer() {
        assert_eq!(question(None, "a b"), "a b\n");
        assert_eq!(question(Some(7), "a b"), "7 a b\n");
        assert_eq!(reply(b"7 OK user=a", true).expect("valid").0, 7);
        assert_eq!(reply(b"0 ERR", true).expect("valid").0, 0);
        for line in [
            "OK",
            "-1 OK",
            "+1 OK",
            " 1 OK",
            "",
            "99999999999999999999 OK",
        ] {
            let error = reply(line.as_bytes(), true).expect_err(line);
            assert!(matches!(error, Garbage::Channel(_)), "{line}");
        }
    }

    #[test]
    fn what_is_no_answer_is_garbage() {
        for line in ["", "ok", "OKAY", "ERROR", "hello\u{7}", "0 OK", "\tOK"] {
            let error = reply(line.as_bytes(), false).expect_err(line);
            assert!(matches!(error, Garbage::Word(_)), "{line}");
        }
        let error = reply(b"2 what\x07", true).expect_err("no answer");
        let said = "a line begins with OK, ERR or BH, not `what\\u{7}`";
        assert_eq!(error.to_string(), said);
    }

    proptest! {
        #[test]
        fn quoted_values_come_back_as_they_were(values in prop::collection::vec("\\PC{0,20}", 0..5)) {
            let pairs: Vec<_> = values.into_iter().map(|value| ("k".to_owned(), value)).collect();
            let mut line = "OK".to_owned();
            for (name, value) in &pairs {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                line.push_str(&format!(" {name}=\"{value}\""));
            }
            let expected = Answer { finding: Finding::Found, pairs };
            prop_assert_eq!(answer(&line), Ok(expected));
        }

        #[test]
        fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..100)) {
            for start in ["", "OK ", "1 OK a=", "OK a=\"", "OK a=%"] {
                let line = [start.as_bytes(), &line].concat();
                let _ = reply(&line, true);
                let _ = reply(&line, false);
            }
        }
    }
}
