use super::*;
use wproxy_sdk::testing::{FieldList, Sample};

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

/// The lines that are left of these, after the request rules.
fn scrubbed(config: &Config, request: &Sample, fields: &[(&str, &str)]) -> Vec<String> {
    let rules = Rules::new(config).expect("valid");
    let fields = FieldList::of(fields);
    rules.edit_request(request, &fields);
    let lines = fields.text().into_iter();
    lines
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

#[test]
fn the_documented_four_are_removed() {
    let config = Config {
        request_header_access: lines(&[
            "Referer deny all",
            "X-Forwarded-For deny all",
            "Via deny all",
            "Cache-Control deny all",
        ]),
        ..Config::default()
    };
    let left = scrubbed(
        &config,
        &Sample::get("http://example.com/"),
        &[
            ("referer", "http://secret.example/"),
            ("User-Agent", "curl"),
            ("X-Forwarded-For", "10.0.0.1"),
            ("VIA", "1.0 a"),
            ("Via", "1.1 b"),
            ("Cache-Control", "no-cache"),
            ("Pragma", "no-cache"),
        ],
    );
    assert_eq!(left, ["User-Agent: curl", "Pragma: no-cache"]);
}

#[test]
fn replies_have_rules_of_their_own() {
    let config = Config {
        request_header_access: lines(&["Server deny all"]),
        reply_header_access: lines(&["Set-Cookie deny all"]),
        ..Config::default()
    };
    let rules = Rules::new(&config).expect("valid");
    let fields = FieldList::of(&[("Server", "x"), ("Set-Cookie", "a=b")]);
    rules.edit_reply(&Sample::get("http://example.com/"), &fields);
    assert_eq!(fields.text(), [("Server".to_owned(), "x".to_owned())]);
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

#[test]
fn which_lines_stand_for_a_field() {
    let fields = [
        ("Accept", "*/*"),
        ("X-Own", "1"),
        ("X-Odd", "2"),
        ("x-odd", "3"),
    ];
    let left = |access: &[&str]| {
        let config = Config {
            request_header_access: lines(access),
            ..Config::default()
        };
        scrubbed(&config, &Sample::get("http://example.com/"), &fields)
    };
    assert_eq!(left(&["All deny all"]), [""; 0]);
    assert_eq!(left(&["Other deny all"]), ["Accept: */*"]);
    assert_eq!(
        left(&["Accept allow all", "X-Own allow all", "All deny all"]),
        ["Accept: */*", "X-Own: 1"]
    );
    assert_eq!(
        left(&["Other allow all", "All deny all"]),
        ["X-Own: 1", "X-Odd: 2", "x-odd: 3"]
    );
}

#[test]
fn acls_say_for_whom() {
    let config = Config {
        acl: lines(&["partner dstdomain .partner.example"]),
        request_header_access: lines(&["Referer allow partner", "Referer deny all"]),
        ..Config::default()
    };
    let fields = [("Referer", "http://a/")];
    let partner = Sample::get("http://www.partner.example/");
    assert_eq!(scrubbed(&config, &partner, &fields), ["Referer: http://a/"]);
    let other = Sample::get("http://www.example.com/");
    assert_eq!(scrubbed(&config, &other, &fields), [""; 0]);
}

#[test]
fn what_is_denied_can_be_replaced() {
    let config = Config {
        request_header_access: lines(&["User-Agent deny all", "From deny all"]),
        request_header_replace: lines(&[
            "User-Agent Nutscrape/1.0 (CP/M; 8-bit)",
            "From nobody",
            "Accept never denied",
        ]),
        ..Config::default()
    };
    let left = scrubbed(
        &config,
        &Sample::get("http://example.com/"),
        &[("Accept", "*/*"), ("user-agent", "curl"), ("Host", "a")],
    );
    assert_eq!(
        left,
        [
            "Accept: */*",
            "user-agent: Nutscrape/1.0 (CP/M; 8-bit)",
            "Host: a"
        ]
    );
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
