//! What explanations leave out: credentials, and queries where the access log has none either.

use crate::http::Field;
use crate::plugin::Rule;
use crate::redact;
use crate::transaction::Request;

/// What must not be shown of a request.
#[derive(Debug)]
pub(super) struct Secrets {
    /// Each with what stands in its place, the longest first.
    hidden: Vec<(String, &'static str)>,
}

/// What is shorter is no secret, but would be found in any text.
const SHORTEST: usize = 4;
/// In place of credentials.
const NOT_SHOWN: &str = "(not shown)";

// === impl Secrets ===

impl Secrets {
    pub(super) fn of(request: &Request, strip_query: bool) -> Secrets {
        let lines = request.fields.iter();
        let secret = lines
            .clone()
            .filter(|line| redact::is_secret_field(&line.name));
        let values = secret.map(|line| String::from_utf8_lossy(&line.value).into_owned());
        // A plugin may have taken them apart: cookies one by one, credentials without their scheme.
        let parts = values.flat_map(|value| {
            let credentials = value
                .split_once(' ')
                .map(|(_, rest)| rest.trim().to_owned());
            let cookies = value.split(';').map(|cookie| cookie.trim().to_owned());
            let crumbs = value
                .split(';')
                .filter_map(|cookie| Some(cookie.split_once('=')?.1.trim().to_owned()));
            let parts: Vec<String> = cookies.chain(crumbs).chain(credentials).collect();
            std::iter::once(value).chain(parts)
        });
        // What a recording leaves out, an explanation does.
        let found = lines.flat_map(|Field { name, value }| redact::in_field(name, value));
        let found = found.map(|secret| String::from_utf8_lossy(&secret).into_owned());
        let mut hidden: Vec<_> = parts
            .chain(found)
            .filter(|part| part.len() >= SHORTEST)
            .map(|part| (part, NOT_SHOWN))
            .collect();
        if strip_query
            && let Some((_, query)) = request.uri().split_once('?')
            && !query.is_empty()
        {
            // As in the access log, the question mark stays.
            hidden.push((format!("?{query}"), "?"));
        }
        hidden.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        Secrets { hidden }
    }

    /// The rule without them. What stands in the configuration stays as it is there; a plugin's own
    /// words can have secrets in them.
    pub(super) fn without(&self, rule: Rule) -> Rule {
        match rule.location {
            Some(_) => rule,
            None => Rule::new(rule.plugin.clone(), self.hidden(&rule.text), None),
        }
    }

    /// The text without them.
    pub(super) fn hidden(&self, text: &str) -> String {
        let hidden = self.hidden.iter();
        hidden.fold(
            text.to_owned(),
            |text, (secret, stands_for_it)| match text.contains(secret) {
                true => text.replace(secret, stands_for_it),
                false => text,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Fields, Form, RequestHead, Target, Version};
    use bytes::Bytes;
    use http::Method;
    use std::time::UNIX_EPOCH;

    #[test]
    fn credentials_and_queries_are_left_out() {
        let target = Bytes::from_static(b"http://a/b?token=abc");
        let Ok(Form::Proxy(parsed)) = Target::parse(&Method::GET, &target) else {
            panic!("a target");
        };
        let mut fields = Fields::default();
        fields.push("Authorization", "Basic c2VjcmV0");
        fields.push("Cookie", "id=0123456; a=1; lang=en-GB");
        fields.push("User-Agent", "curl/8");
        fields.push("Proxy-Authorization", "Basic YW5uOmhvcnNl");
        fields.push("X-Api-Key", "k-4711");
        fields.push("X-Amz-Security-Token", "FwoGZXIv");
        fields.push("Referer", "http://b/?q=what&sig=5f3e");
        let head = RequestHead {
            method: Method::GET,
            target,
            version: Version::Http11,
            fields,
        };
        let request = Request::new(head, parsed, ([127, 0, 0, 1], 1).into(), UNIX_EPOCH);
        #[rustfmt::skip]
        let cases = [
            ("user-agent: curl/8", "user-agent: curl/8", "user-agent: curl/8"),
            ("Basic c2VjcmV0!", "(not shown)!", "(not shown)!"),
            ("it is c2VjcmV0", "it is (not shown)", "it is (not shown)"),
            ("id=0123456; a=1; lang=en-GB", "(not shown)", "(not shown)"),
            ("id is 0123456, a is 1", "id is (not shown), a is 1", "id is (not shown), a is 1"),
            ("ann said horse", "ann said (not shown)", "ann said (not shown)"),
            ("key k-4711, not k-4712", "key (not shown), not k-4712", "key (not shown), not k-4712"),
            ("it had FwoGZXIv", "it had (not shown)", "it had (not shown)"),
            ("from http://b/?q=what&sig=5f3e", "from http://b/?q=what&sig=(not shown)", "from http://b/?q=what&sig=(not shown)"),
            ("http://a/b?token=abc", "http://a/b?", "http://a/b?token=abc"),
            ("/b?token=abc", "/b?", "/b?token=abc"),
        ];
        for (text, stripped, whole) in cases {
            assert_eq!(Secrets::of(&request, true).hidden(text), stripped);
            assert_eq!(Secrets::of(&request, false).hidden(text), whole);
        }
    }
}
