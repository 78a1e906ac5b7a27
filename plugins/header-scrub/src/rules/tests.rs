//! What the lines edit is in `cases/`, which `wproxy plugin test` tries through wasm.

use super::*;
use std::cell::Cell;
use wproxy_sdk::testing::{FieldList, Sample};
use wproxy_sdk::{FieldError, Outcome};

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

#[test]
fn without_lines_there_is_nothing_to_edit() {
    let can_edit = |config: &Config| {
        let rules = Rules::new(config).expect("valid");
        (rules.can_edit_request(), rules.can_edit_reply())
    };
    let replacements = Config {
        acl: lines(&["localnet src 10.0.0.0/8"]),
        request_header_replace: lines(&["From nobody"]),
        reply_header_replace: lines(&["Server nothing"]),
        ..Config::default()
    };
    assert_eq!(can_edit(&replacements), (false, false));
    for line in ["Via deny all", "Other deny all", "All allow all"] {
        let mut config = Config {
            request_header_access: lines(&[line]),
            ..Config::default()
        };
        assert_eq!(can_edit(&config), (true, false), "{line}");
        std::mem::swap(
            &mut config.request_header_access,
            &mut config.reply_header_access,
        );
        assert_eq!(can_edit(&config), (false, true), "{line}");
    }
}

/// The call that removes several fields at once is one that the configuration alone decides on.
#[test]
fn what_goes_in_any_case_goes_at_once() {
    let config = Config {
        acl: lines(&["web port 80"]),
        request_header_access: lines(&["Via deny all", "Referer deny web", "From deny all"]),
        request_header_replace: lines(&["From nobody"]),
        ..Config::default()
    };
    let rules = Rules::new(&config).expect("valid");
    assert_eq!(rules.request.removed, ["via"]);
    let fields = FieldList::of(&[("Via", "1.1 a"), ("From", "me"), ("Referer", "b")]);
    rules.edit_request(&Sample::get("http://a/"), &fields);
    assert_eq!(fields.lines(), ["From: nobody"]);
}

/// Fields that count how often they were asked to change.
struct Counted(FieldList, Cell<usize>);

impl Fields for Counted {
    fn get(&self, name: &str) -> Vec<Vec<u8>> {
        self.0.get(name)
    }

    fn has(&self, name: &str) -> bool {
        self.0.has(name)
    }

    fn set(&self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        self.1.update(|calls| calls + 1);
        self.0.set(name, value)
    }

    fn append(&self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        self.1.update(|calls| calls + 1);
        self.0.append(name, value)
    }

    fn remove(&self, name: &str) -> bool {
        self.1.update(|calls| calls + 1);
        self.0.remove(name)
    }

    fn remove_all(&self, names: &[String]) {
        self.1.update(|calls| calls + 1);
        self.0.remove_all(names);
    }

    fn entries(&self) -> Vec<(String, Vec<u8>)> {
        self.0.entries()
    }
}

/// A call for each would take longer than a hook has, and a client could fail the plugin by that.
#[test]
fn all_others_go_in_one_call_however_many_they_are() {
    let names: Vec<String> = (0..1000).map(|n| format!("X-{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "a")).collect();
    for (line, calls) in [
        ("All deny all", 1),
        ("Other deny web", 1),
        ("Other allow web", 0),
    ] {
        let config = Config {
            acl: lines(&["web port 80"]),
            request_header_access: lines(&[line]),
            ..Config::default()
        };
        let rules = Rules::new(&config).expect("valid");
        let fields = Counted(FieldList::of(&many), Cell::new(0));
        rules.edit_request(&Sample::get("http://a/"), &fields);
        let left = fields.0.lines().len();
        assert_eq!(
            (fields.1.get(), left),
            (calls, 1000 * (1 - calls)),
            "{line}"
        );
    }
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let access = |line: &str| Config {
        acl: lines(&["inside dst 10.0.0.0/8"]),
        request_header_access: lines(&["Via deny all", line]),
        ..Config::default()
    };
    for (line, message) in [
        ("", "a line is a field name, allow or deny, and acls"),
        ("Referer", "an empty line"),
        ("Referer all", "`all`: a line begins with allow or deny"),
        (
            "Referer deny inside",
            "a `dst` acl cannot be used for fields",
        ),
    ] {
        let error = Rules::new(&access(line)).expect_err(line);
        assert_eq!(error.at, "/request_header_access/1", "{line}");
        assert!(error.message.contains(message), "{line}: {}", error.message);
    }
    let config = Config {
        reply_header_replace: lines(&["Server"]),
        ..Config::default()
    };
    let error = Rules::new(&config).expect_err("no value");
    assert_eq!(error.at, "/reply_header_replace/0");
}

/// For every field of a request, what is told of its lines is what becomes of it.
#[test]
fn what_is_told_is_what_is_done() {
    let config = Config {
        acl: lines(&["web port 80", "curl browser ^curl/"]),
        request_header_access: lines(&[
            "Referer deny all",
            "via allow web",
            "Via deny curl",
            "From deny !web",
            "Other deny curl",
            "All allow web",
            "all deny all",
        ]),
        reply_header_access: lines(&["Server deny web", "Server allow all"]),
        ..Config::default()
    };
    let rules = Rules::new(&config).expect("valid");
    let pointer = |index: usize| format!("/request_header_access/{index}");
    let opposite = |name: &str| format!("no line for {name} applies: the opposite of the last one");
    #[rustfmt::skip]
    let cases = [
        // Which rule decides about Referer, Via, From, others and all; and which of them are kept.
        (Sample::get("http://a/").with("User-Agent", "curl/8"),
         [pointer(0), pointer(1), opposite("From"), pointer(4), pointer(5)], &["Via", "From", "Accept"][..], "/reply_header_access/0"),
        (Sample::get("http://a:81/").with("User-Agent", "curl/8"),
         [pointer(0), pointer(2), pointer(3), pointer(4), pointer(6)], &[], "/reply_header_access/1"),
        (Sample::get("http://a:81/"),
         [pointer(0), opposite("via"), pointer(3), opposite("Other"), pointer(6)], &["Via", "X-New"], "/reply_header_access/1"),
    ];
    for (request, decide, kept, reply) in cases {
        let trace = rules.trace(&request);
        let decides = |hook: &str| -> Vec<&str> {
            let decides = trace
                .iter()
                .filter(|looked| looked.hook == hook && looked.outcome == Outcome::Decides);
            decides.map(|looked| looked.rule.as_str()).collect()
        };
        assert_eq!(decides("request-headers"), decide);
        assert_eq!(decides("response-headers"), [reply]);
        let names = ["Referer", "Via", "From", "X-New", "Accept"];
        let fields = FieldList::of(&names.map(|name| (name, "1")));
        rules.edit_request(&request, &fields);
        let left: Vec<String> = fields.text().into_iter().map(|(name, _)| name).collect();
        assert_eq!(left, kept, "{decide:?}");
    }
}
