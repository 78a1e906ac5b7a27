//! What the lines edit is in `cases/`, which `wproxy plugin test` tries through wasm.

use super::*;
use wproxy_sdk::testing::{FieldList, Sample};

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
