use super::*;
use crate::config::{Configuration, Source};
use crate::generation::{Admission, Plugins};
use crate::http::{Form, RequestHead, Target, Version};
use crate::notes::{Notebook, Wanted};
use crate::plugin::Engine;
use http::Method;
use std::time::SystemTime;

const SIZES: Sizes = Sizes {
    request: 64 << 10,
    reply: 64 << 10,
};

/// The default plugins, with these settings.
fn generation(engine: &Engine, settings: &str) -> Generation {
    let source = Source::new("wproxy.toml", settings);
    let configuration = Configuration::from_source(Some(&source), &[]).expect("good settings");
    Generation::build(1, engine, &Plugins::BuiltIn, &configuration, 1, None).expect("good plugins")
}

fn get(uri: &str) -> Request {
    let target = Bytes::copy_from_slice(uri.as_bytes());
    let Ok(Form::Proxy(target)) = Target::parse(&Method::GET, &target) else {
        panic!("{uri}");
    };
    let head = RequestHead {
        method: Method::GET,
        target: Bytes::new(),
        version: Version::Http11,
        fields: Fields::default(),
    };
    let client = ([127, 0, 0, 1], 1).into();
    Request::new(head, target, client, SystemTime::UNIX_EPOCH)
}

/// What the live policy says of a request that goes all the way, and the request without its notebook.
fn live(policy: &Generation, uri: &str) -> (Arc<Request>, Notes) {
    let noted = Arc::new(get(uri).noted(Notebook::new(Wanted::ALL)));
    let fields = |lines: &[(&'static str, &'static str)]| {
        let mut fields = Fields::default();
        lines
            .iter()
            .for_each(|(name, value)| fields.push(*name, *value));
        fields
    };
    if let Ok(Admission::Allowed(_)) = policy.authorize(&noted) {
        policy.key_for(&noted);
        let mut request = fields(&[("Host", "a.test"), ("X-Secret", "s"), ("From", "me")]);
        policy
            .on_request(&noted, &mut request, SIZES.request)
            .expect("edited");
        let mut response = fields(&[("Server", "x"), ("Date", "now"), ("X-Powered-By", "y")]);
        policy.rule_for(&noted, 200, &mut response);
        policy
            .on_response(&noted, 200, &mut response, SIZES.reply)
            .expect("edited");
    }
    let notes = noted.notebook().and_then(Notebook::take).expect("notes");
    (Arc::new(get(uri)), notes)
}

const ACL: &str =
    "acl = [\"local src 127.0.0.0/8\", \"bad dstdomain .bad.test\", \"near dst 10.0.0.0/8\"]\n";

/// Each case changes one thing of this policy.
fn policy(access: &str, rest: &str) -> String {
    format!("[plugins.access-policy]\n{ACL}http_access = [{access}]\n{rest}")
}

const USUAL: &str = "\"deny bad\", \"allow local\"";

#[test]
fn what_a_candidate_does_otherwise_is_found_hook_by_hook() {
    let engine = Engine::new(1).expect("an engine");
    let usual = generation(&engine, &policy(USUAL, ""));
    let scrub = "[plugins.header-scrub]\n";
    let fresh = "[plugins.cache-rules]\n";
    for (name, candidate, uri, expected) in [
        ("the same", policy(USUAL, ""), "http://a.test/", ""),
        (
            "the same verdict by another rule",
            policy("\"allow !bad\"", ""),
            "http://a.test/",
            "",
        ),
        (
            "denied now",
            policy("\"deny local\"", ""),
            "http://a.test/",
            "access: allow [http_access allow local] -> deny 403 [http_access deny local]",
        ),
        (
            "allowed now",
            policy("\"allow local\"", ""),
            "http://www.bad.test/",
            "access: deny 403 [http_access deny bad] -> allow [http_access allow local]",
        ),
        (
            "denied as before",
            policy("\"deny bad\", \"deny all\"", ""),
            "http://www.bad.test/",
            "",
        ),
        (
            "fields of requests",
            policy(
                USUAL,
                &format!(
                    "{scrub}request_header_access = [\"X-Secret deny all\", \"From deny all\"]\nrequest_header_replace = [\"From you\"]\n"
                ),
            ),
            "http://a.test/",
            "request-headers: another from, x-secret -> another from, no x-secret",
        ),
        (
            "fields of responses",
            policy(
                USUAL,
                &format!("{scrub}reply_header_access = [\"X-Powered-By deny all\"]\n"),
            ),
            "http://a.test/",
            "response-headers: x-powered-by -> no x-powered-by",
        ),
        (
            "freshness",
            policy(
                USUAL,
                &format!("{fresh}refresh_pattern = [\". 1 50% 2 override-expire\"]\n"),
            ),
            "http://a.test/",
            "cache-rules: 0 20% 259200 [squid's default: . 0 20% 4320] -> 60 50% 120 override-expire [refresh_pattern . 1 50% 2 override-expire]",
        ),
    ] {
        let candidate = generation(&engine, &candidate);
        let (request, notes) = live(&usual, uri);
        let found = differences(&candidate, &request, &notes, SIZES).expect(name);
        let said = |said: &Said| match &said.rule {
            Some(rule) => format!("{} [{rule}]", said.gist),
            None => said.gist.clone(),
        };
        let found: Vec<String> = found
            .iter()
            .map(|found| {
                format!(
                    "{}: {} -> {}",
                    found.hook,
                    said(&found.live),
                    said(&found.candidate)
                )
            })
            .collect();
        assert_eq!(found.join("; "), expected, "{name}");
    }
}

#[test]
fn a_candidate_that_wants_addresses_is_asked_again() {
    let engine = Engine::new(1).expect("an engine");
    let usual = generation(&engine, &policy(USUAL, ""));
    let candidate = generation(&engine, &policy("\"deny near\", \"allow local\"", ""));
    let (request, notes) = live(&usual, "http://a.test/");
    assert_eq!(
        differences(&candidate, &request, &notes, SIZES),
        Err(Undecided)
    );
    request.set_addresses(Ok(Arc::from([[10, 0, 0, 1].into()])));
    let found = differences(&candidate, &request, &notes, SIZES).expect("addresses are known");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].candidate.gist, "deny 403");
}

#[test]
fn notes_are_taken_where_they_are_wanted_and_until_they_are_taken_away() {
    let engine = Engine::new(1).expect("an engine");
    let usual = generation(&engine, &policy(USUAL, ""));
    let (request, notes) = live(&usual, "http://a.test/");
    assert!(request.notebook().is_none());
    assert!(matches!(notes.access, Some(Access::Allowed(_))));
    assert_eq!(notes.key, Some(CacheKey::Uri));
    let edit = notes.request_headers.expect("it was asked");
    assert_eq!((edit.status, edit.before.len()), (None, 3));
    assert_eq!(
        notes.response_headers.expect("it was asked").status,
        Some(200)
    );
    assert_eq!(notes.cache_rules.expect("it was asked").status, 200);

    let noted = Arc::new(get("http://a.test/").noted(Notebook::new(Wanted::ALL)));
    let notebook = noted.notebook().expect("one");
    assert_eq!(notebook.take(), Some(Notes::default()));
    assert!(usual.authorize(&noted).is_ok());
    assert_eq!(notebook.take(), None);
}
