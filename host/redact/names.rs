//! Names that say that what they stand for is a secret.

/// In whatever spelling: `X-Amz-Signature`, `api_key`, `accessToken`.
const WITHIN: &[&str] = &[
    "accesskey",
    "apikey",
    "assertion",
    "credential",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "secret",
    "session",
    "signature",
    "token",
];
/// As the last word: `private_key`, `X-Auth`.
const LAST: &[&str] = &[
    "auth", "hmac", "key", "otp", "pass", "pin", "pwd", "sas", "sid", "sig", "ticket",
];
/// As the whole name: OAuth's and SAML's.
const EXACT: &[&str] = &["code", "samlrequest", "samlresponse"];

/// Whether a field, parameter or attribute of that name holds a secret.
pub(super) fn is_secret(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name);
    let letters: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    EXACT.contains(&letters.as_str())
        || WITHIN.iter().any(|word| letters.contains(word))
        || LAST.contains(&last_word(&name).as_str())
}

/// `key` of `private_key`, `Private-Key`, `privateKey` and `key[]`.
fn last_word(name: &str) -> String {
    let name = name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let begins = |(at, c): (usize, char)| {
        let before = name[..at].chars().next_back();
        let camel = c.is_ascii_uppercase() && before.is_some_and(|b| b.is_ascii_lowercase());
        (camel || !before.is_some_and(|b| b.is_ascii_alphanumeric())).then_some(at)
    };
    let start = name.char_indices().rev().find_map(begins);
    name[start.unwrap_or_default()..].to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_all_spellings() {
        for name in [
            "X-Amz-Signature",
            "X-Amz-Security-Token",
            "X-Amz-Credential",
            "AWSAccessKeyId",
            "token",
            "access_token",
            "accessToken",
            "csrf-token",
            "password",
            "Passwd",
            "user[password]",
            "pass",
            "key",
            "api_key",
            "X-Api-Key",
            "privateKey",
            "sig",
            "sig[]",
            "X-Auth",
            "code",
            "jsessionid",
            "SAMLResponse",
        ] {
            assert!(is_secret(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            "q",
            "page",
            "author",
            "monkey",
            "keyword",
            "design",
            "max-age",
            "User-Agent",
            "encode",
            "status_code",
            "passenger",
            "X-Amz-Date",
            "Host",
        ] {
            assert!(!is_secret(name.as_bytes()), "{name}");
        }
    }
}
