//! squid's `external` acls: a helper says whether they match.

use super::{Undecided, rfc1738};
use crate::{Answer, Finding, Request};

/// A helper, and what it is asked. The words are those of squid's FORMAT, which stands in the acl
/// here and not with the helper.
#[derive(Debug)]
pub(super) struct External {
    helper: String,
    words: Vec<Word>,
}

#[derive(Debug, PartialEq, Eq)]
enum Word {
    /// As it stands.
    Text(String),
    Client,
    Host,
    Port,
    Method,
    Path,
    Uri,
    Proto,
    Login,
    Password,
    Field(String),
}

const CODES: &str = "%SRC, %DST, %PORT, %METHOD, %PATH, %URI, %PROTO, %LOGIN, %PASSWORD, %>{Field}";
/// Octets of a question: the host takes no longer one.
const LONGEST: usize = 8 << 10;
/// What stands for what is not there.
const NOTHING: &str = "-";

// === impl External ===

impl External {
    /// `directory %SRC %LOGIN staff`
    pub(super) fn parse(values: &[&str]) -> Result<External, String> {
        let [helper, words @ ..] = values else {
            return Err("no helper".into());
        };
        if words.is_empty() {
            return Err(format!(
                "what is the helper `{helper}` asked? write `external {helper} %SRC`; there are: \
                 {CODES}"
            ));
        }
        Ok(External {
            helper: (*helper).to_owned(),
            words: words
                .iter()
                .map(|word| Word::parse(word))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether it is about who is asking: where it denies, somebody else may be let in.
    pub(super) fn is_about_login(&self) -> bool {
        self.words
            .iter()
            .any(|word| matches!(word, Word::Login | Word::Password))
    }

    pub(super) fn matches(&self, request: &dyn Request) -> Result<bool, Undecided> {
        let key = self.key(request)?;
        let failed = |message: Option<&str>| Undecided::Failed {
            helper: self.helper.clone(),
            message: message.map(str::to_owned),
        };
        if key.len() > LONGEST {
            return Err(failed(Some("the question is too long")));
        }
        match request.answer(&self.helper, &key) {
            None => Err(Undecided::Answer {
                helper: self.helper.clone(),
                key,
            }),
            Some(answer) if answer.finding == Finding::Failed => {
                Err(failed(answer.pair("message")))
            }
            Some(answer) => Ok(answer.is_found()),
        }
    }

    /// What has come of asking, for people. Not the question: a password can be in it.
    pub(super) fn words(&self, request: &dyn Request) -> String {
        match self.matches(request) {
            Ok(true) => "yes".into(),
            Ok(false) => "no".into(),
            Err(Undecided::Failed {
                message: Some(message),
                ..
            }) => format!("the helper failed ({message})"),
            Err(undecided) => undecided.to_string(),
        }
    }

    /// What the helper has said about that request, once it was asked.
    pub(super) fn answer(&self, request: &dyn Request) -> Option<Answer> {
        let key = self.key(request).ok()?;
        request.answer(&self.helper, &key)
    }

    fn key(&self, request: &dyn Request) -> Result<String, Undecided> {
        let credentials = match self.is_about_login() {
            true => Some(Credentials::of(request).ok_or(Undecided::Credentials)?),
            false => None,
        };
        let words = self
            .words
            .iter()
            .map(|word| word.expanded(request, credentials.as_ref()));
        Ok(words.collect::<Vec<_>>().join(" "))
    }
}

// === impl Word ===

impl Word {
    fn parse(word: &str) -> Result<Word, String> {
        let Some(code) = word.strip_prefix('%') else {
            return Ok(Word::Text(word.to_owned()));
        };
        Ok(match code {
            "SRC" | ">a" => Word::Client,
            "DST" | ">rd" => Word::Host,
            "PORT" | ">rP" => Word::Port,
            "METHOD" | ">rm" => Word::Method,
            "PATH" | ">rp" => Word::Path,
            "URI" | ">ru" => Word::Uri,
            "PROTO" | ">rs" => Word::Proto,
            "LOGIN" | "ul" | "un" => Word::Login,
            "PASSWORD" => Word::Password,
            _ => {
                let field = code
                    .strip_prefix(">ha{")
                    .or_else(|| code.strip_prefix(">{"))
                    .and_then(|field| field.strip_suffix('}'));
                let is_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
                match field {
                    Some(name) if !name.is_empty() && name.chars().all(is_name) => {
                        Word::Field(name.to_ascii_lowercase())
                    }
                    _ => return Err(format!("`{word}` is not known; there are: {CODES}")),
                }
            }
        })
    }

    /// Escaped: a word stays one.
    fn expanded(&self, request: &dyn Request, credentials: Option<&Credentials>) -> String {
        let escaped = |value: &[u8]| match value {
            [] => NOTHING.to_owned(),
            value => rfc1738::escaped(value),
        };
        match self {
            Word::Text(text) => text.clone(),
            Word::Client => request.client().to_string(),
            Word::Host => escaped(request.host().as_bytes()),
            Word::Port => request.port().to_string(),
            Word::Method => escaped(request.method().as_bytes()),
            Word::Path => escaped(request.path().as_bytes()),
            Word::Uri => escaped(request.uri().as_bytes()),
            Word::Proto => escaped(request.scheme().as_bytes()),
            Word::Login => escaped(credentials.map_or(&[], |known| &known.user)),
            Word::Password => escaped(credentials.map_or(&[], |known| &known.password)),
            Word::Field(name) => escaped(&request.field(name).unwrap_or_default()),
        }
    }
}

/// Who somebody says that he is (RFC 7617).
#[derive(Debug, PartialEq, Eq)]
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

// === impl Credentials ===

impl Credentials {
    fn of(request: &dyn Request) -> Option<Credentials> {
        let field = request.field("proxy-authorization")?;
        let (scheme, token) = std::str::from_utf8(&field).ok()?.split_once(' ')?;
        let pair = match scheme.eq_ignore_ascii_case("basic") {
            true => decoded(token.trim())?,
            false => return None,
        };
        let colon = pair.iter().position(|&octet| octet == b':')?;
        let (user, password) = (pair[..colon].to_vec(), pair[colon + 1..].to_vec());
        (!user.is_empty()).then_some(Credentials { user, password })
    }
}

/// Base64 (RFC 4648 §4), with or without its padding.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    let mut octets = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.chunks(4) {
        let mut bits = 0_u32;
        for &letter in group {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        let missing = 4 - group.len();
        if missing == 3 {
            return None;
        }
        let bits = bits << (6 * missing);
        octets.extend_from_slice(&bits.to_be_bytes()[1..4 - missing]);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Sample;
    use proptest::prelude::*;

    fn basic(credentials: &str) -> Sample {
        let value = format!("Basic {credentials}");
        Sample::get("http://a.test:81/x%20y?q='1'").with("Proxy-Authorization", &value)
    }

    #[test]
    fn words_become_what_squid_sends() {
        let request = basic("YW5uOnAgdw==")
            .from("10.0.0.5")
            .with("X-Tag", "a b")
            .with("X-Tag", "ä");
        for (words, key) in [
            ("%SRC %DST %PORT", "10.0.0.5 a.test 81"),
            (
                "%>a %>rd %>rP %>rm %>rp %>rs",
                "10.0.0.5 a.test 81 GET /x%2520y?q=%271%27 http",
            ),
            ("%METHOD %PROTO", "GET http"),
            ("%URI", "http://a.test:81/x%2520y?q=%271%27"),
            ("%LOGIN %PASSWORD", "ann p%20w"),
            ("%ul %un", "ann ann"),
            (
                "%>{X-Tag} %>ha{x-tag} %>{None} staff a%20b",
                "a%20b,%20%C3%A4 a%20b,%20%C3%A4 - staff a%20b",
            ),
        ] {
            let words: Vec<&str> = ["h"].into_iter().chain(words.split(' ')).collect();
            let external = External::parse(&words).expect("valid");
            assert_eq!(external.key(&request).as_deref(), Ok(key), "{words:?}");
        }
        let path = External::parse(&["h", "%PATH", "%PROTO"]).expect("valid");
        let connect = Sample::connect("a.test:443");
        assert_eq!(path.key(&connect).as_deref(), Ok("- -"));
    }

    #[test]
    fn who_is_asking_is_asked_for_where_it_counts() {
        let external = External::parse(&["h", "%LOGIN"]).expect("valid");
        for (credentials, user) in [
            ("YW5uOng=", Some("ann")),
            ("YW5uOg", Some("ann")),
            ("YW5u", None),
            ("OnB3", None),
            ("A", None),
            ("YW5!", None),
            ("", None),
        ] {
            let key = external.key(&basic(credentials)).ok();
            assert_eq!(key.as_deref(), user, "{credentials}");
        }
        let without = Sample::get("http://a/");
        assert_eq!(external.matches(&without), Err(Undecided::Credentials));
        let digest = without.with("Proxy-Authorization", "Digest username=ann");
        assert_eq!(external.matches(&digest), Err(Undecided::Credentials));
    }

    #[test]
    fn a_question_that_is_too_long_is_not_asked() {
        let external = External::parse(&["h", "%PATH"]).expect("valid");
        let long = Sample::get(&format!("http://a/{}", "x".repeat(LONGEST)));
        let undecided = external.matches(&long).expect_err("too long");
        assert!(
            matches!(undecided, Undecided::Failed { .. }),
            "{undecided:?}"
        );
    }

    proptest! {
        /// As others encode it.
        #[test]
        fn base64_is_decoded(octets in prop::collection::vec(any::<u8>(), 0..50)) {
            const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let bits: Vec<bool> = octets.iter().flat_map(|o| (0..8).rev().map(move |b| o >> b & 1 == 1)).collect();
            let letter = |six: &[bool]| {
                let value = (0..6).fold(0, |value, bit| value << 1 | usize::from(six.get(bit) == Some(&true)));
                char::from(LETTERS[value])
            };
            let text: String = bits.chunks(6).map(letter).collect();
            prop_assert_eq!(decoded(&text), Some(octets));
        }

        #[test]
        fn a_word_stays_one(value in prop::collection::vec(any::<u8>(), 1..50)) {
            let word = rfc1738::escaped(&value);
            prop_assert!(word.bytes().all(|octet| octet.is_ascii_graphic()));
        }
    }
}
