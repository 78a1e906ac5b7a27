//! What a policy can ask and what not; commands that ask, too.

use super::{POLICY, ask, helper, started, wait_for_end, with_script};
use crate::support::Proxy;
use crate::support::proxy::run;
use std::fs;

const YES: &str = "while read -r key; do echo \"OK user=\\\"$key\\\"\"; done";

#[test]
fn a_rule_whose_earlier_acls_fail_asks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = helper(&folder, YES, "")
        + "[plugins.access-policy]\n\
           acl = [\"web port 80\", \"found external h %URI\"]\n\
           http_access = [\"deny !web found\", \"deny web\", \"deny found\"]\n";
    let proxy = Proxy::in_folder(folder, &settings, &[]);
    let get = |url| proxy.get(url, &["Accept: */*"]).text();
    assert!(get("http://a.test/").contains("`http_access deny web`"));
    assert!(started(&proxy).is_empty());
    assert!(get("http://a.test:81/").contains("`http_access deny !web found`"));
    assert_eq!(started(&proxy).len(), 1);
}

#[test]
fn there_is_an_end_of_questions() {
    let folder = tempfile::tempdir().unwrap();
    let acls = (0..9).map(|n| format!("\"a{n} external h {n} %>{{Key}}\""));
    let names = (0..9).map(|n| format!("a{n}"));
    let policy = format!(
        "[plugins.access-policy]\nacl = [{}]\nhttp_access = [\"allow {}\", \"deny all\"]\n",
        acls.collect::<Vec<_>>().join(", "),
        names.collect::<Vec<_>>().join(" ")
    );
    let settings = helper(&folder, YES, "") + &policy;
    let proxy = Proxy::in_folder(folder, &settings, &[]);
    let beyond =
        "403 the rule `a plugin asked more than 8 questions about one request` does not allow it";
    assert_eq!(ask(&proxy, "a"), beyond);
}

#[test]
fn a_question_that_is_too_long_is_the_client_s_and_not_the_plugin_s() {
    let proxy = with_script(YES, "");
    for _ in 0..20 {
        let long = ask(&proxy, &"x".repeat(10_000));
        assert!(long.starts_with("503 whether you may"), "{long}");
    }
    // A plugin that failed so often would be put aside.
    assert_eq!(
        ask(&proxy, "a"),
        "403 the rule `http_access deny found` does not allow it"
    );
}

#[test]
fn whom_the_helper_names_is_the_user_in_the_log() {
    for (format, shown) in [
        ("squid", " http://a.test/ Jos%C3%A9%20%25 HIER_NONE/- "),
        ("combined", "127.0.0.1 - Jos%C3%A9%20%25 ["),
        ("json", "\"user\":\"Jos\u{e9} %\""),
    ] {
        let says = "while read -r key; do echo 'OK user=Jos%C3%A9%20%25'; done";
        let folder = tempfile::tempdir().unwrap();
        let settings = helper(&folder, says, "") + POLICY;
        let settings = format!("logformat = \"{format}\"\n{settings}");
        let proxy = Proxy::in_folder(folder, &settings, &[]);
        ask(&proxy, "a");
        let line = proxy.logged();
        assert!(line.contains(shown), "{line}");
    }
}

#[test]
fn explain_asks_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let text = helper(&folder, YES, "") + POLICY;
    let file = folder.path().join("wproxy.toml");
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let (code, out, err) = run(&[
        "explain",
        "GET",
        "http://a.test/",
        "--client",
        "10.0.0.5",
        "--header",
        "Key: a b",
        "--config",
        file,
    ]);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        out.starts_with("lookup   h: a%20b: OK user=\"a%20b\"\n\naccess: access-policy\n"),
        "{out}"
    );
    assert!(
        out.contains("yes  found    external h %>{Key}: yes\n"),
        "{out}"
    );
    assert!(
        out.contains("\ndeny     403\nrule     http_access deny found\n"),
        "{out}"
    );
    let started = fs::read_to_string(folder.path().join("started")).unwrap();
    wait_for_end(started.trim().parse().unwrap());

    let (code, out, err) = run(&["check", "--config", file]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("helper    h: /bin/sh "), "{out}");
}

/// The plugin's own configuration is the same as before: what is missing is elsewhere.
#[test]
fn a_helper_that_is_not_there_is_refused_where_it_is_named() {
    let proxy = with_script(YES, "");
    let written = fs::read_to_string(proxy.settings()).unwrap();
    assert!(written.contains("[helpers.h]\n"), "{written}");
    let renamed = written.replace("[helpers.h]", "[helpers.directory]");
    fs::write(proxy.settings(), &renamed).unwrap();
    let (code, _, err) = proxy.command(&["reload"]);
    assert_eq!(code, Some(1));
    let what = "there is no helper `h`; there are: directory. [helpers.h] in the settings says \
                what it is\n";
    assert!(err.contains(what), "{err}");
    let place = |err: &str| {
        let (line, text) = (1..)
            .zip(renamed.lines())
            .find(|(_, text)| text.contains("external h"))
            .unwrap();
        let column = text.find("\"found").unwrap() + 1;
        assert!(
            err.contains(&format!("wproxy.toml:{line}:{column}\n")),
            "{err}"
        );
        assert!(err.contains(&format!("{line} | {text}\n")), "{err}");
        assert!(err.contains("^^^^^"), "{err}");
    };
    place(&err);
    // What serves has it.
    assert_eq!(
        ask(&proxy, "a"),
        "403 the rule `http_access deny found` does not allow it"
    );

    let file = proxy.settings();
    let (code, _, err) = run(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(err.contains(what), "{err}");
    place(&err);
}

#[test]
fn a_mistake_is_shown_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wproxy.toml");
    fs::write(&file, "[helpers.h]\ncommand = [\"/no/such/helper\"]\n").unwrap();
    let (code, _, err) = run(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(err.contains("there is no program /no/such/helper"), "{err}");
    assert!(err.contains("wproxy.toml:2:11"), "{err}");
}
