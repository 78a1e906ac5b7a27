//! `wproxy plugin test`: the default plugins' own cases, and what the tool says of others.

use super::{build, folder};
use crate::support::proxy::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The hostile plugin with these files of cases, and what its manifest has beyond its name.
fn plugin(manifest: &str, files: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let folder = folder(manifest);
    let plugin = folder.path().join("hostile");
    fs::create_dir(plugin.join("cases")).unwrap();
    for (name, text) in files {
        fs::write(plugin.join("cases").join(name), text).unwrap();
    }
    (folder, plugin)
}

fn test(plugin: &Path, options: &[&str]) -> (Option<i32>, String, String) {
    let path = plugin.to_str().unwrap();
    let (code, stdout, stderr) = run(&[&["plugin", "test", path], options].concat());
    (code, stdout.replace(path, "P"), stderr.replace(path, "P"))
}

/// The default plugins' folders, built once: a component must not be read while it is written.
pub(crate) fn default_plugins() -> &'static [PathBuf] {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folders = ["access-policy", "header-scrub", "cache-rules"];
        let folders = folders.map(|name| format!("plugins/{name}"));
        let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        let root = build(&folders);
        folders.iter().map(|folder| root.join(folder)).collect()
    })
}

/// Enough for an instance to be made on a machine that has other things to do.
const PATIENT: &str = "[limits]\ntime = \"1 s\"\nmemory = \"8 MB\"\n";

#[test]
fn the_default_plugins_pass_their_own_cases() {
    let folders = default_plugins().iter();
    let folders: Vec<&str> = folders.filter_map(|folder| folder.to_str()).collect();
    let (code, stdout, stderr) = run(&[&["plugin", "test"], &folders[..]].concat());
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let files = stdout.lines().filter(|line| line.starts_with("ok "));
    assert_eq!(files.count(), 8, "{stdout}");
    let last = stdout.lines().last().unwrap_or_default();
    let passed = last.strip_suffix(" passed").unwrap();
    assert!(passed.parse::<usize>().unwrap() >= 54, "{last}");
}

/// Each thing that can be expected, once as it is and once wrong.
#[test]
fn what_is_expected_and_does_not_come_fails() {
    #[rustfmt::skip]
    let cases = [
        ("url = \"http://a/\"", "access = { verdict = \"allow\", rule = \"hostile allows\" }", "access = { verdict = \"pass\" }", "access.verdict pass | allow"),
        ("url = \"http://a/access/pass\"", "access = { verdict = \"pass\" }", "access = { verdict = \"allow\" }", "access.verdict allow | pass"),
        ("url = \"http://a/\"", "access = { rule = \"hostile allows\" }", "access = { rule = \"it allows\" }", "access.rule it allows | hostile allows"),
        ("url = \"http://a/access/message\"", "access = { status = 451 }", "access = { status = 403 }", "access.status 403 | 451"),
        ("url = \"http://a/access/message\"", "access = { message = \"not in this <country>  \" }", "access = { message = \"no\" }", "access.message no | not in this <country>"),
        ("url = \"http://a/access/resolve\"", "access = { verdict = \"resolve\" }", "access = { verdict = \"deny\" }", "access.verdict deny | resolve"),
        ("url = \"http://a/access/authenticate\"", "access = { verdict = \"authenticate\", challenge = 'Basic realm=\"hostile\"' }", "access = { challenge = \"Basic\" }", "access.challenge Basic | Basic realm=\"hostile\""),
        ("url = \"http://a/access/authenticate\"\nfields = [\"Proxy-Authorization: Basic x\"]", "access = { rule = \"proved\" }", "access = { rule = \"guessed\" }", "access.rule guessed | proved"),
        ("url = \"http://a/\"\nfields = [\"Accept: */*\"]", "request-fields = [\"Accept: */*\", \"X-Refused: 6\"]", "request-fields = [\"Accept: */*\"]", "> X-Refused: 6"),
        ("url = \"http://a/\"", "response-fields = [\"X-Refused: 6\"]", "response-fields = []", "response-fields (none) | X-Refused: 6"),
        ("url = \"http://a/\"\n[response]\nfields = [\"Server: x\"]", "response-fields = [\"Server: x\", \"X-Refused: 6\"]", "response-fields = [\"X-Refused: 6\"]", "response-fields > Server: x"),
        ("url = \"http://a/\"", "freshness = { verdict = \"pass\" }", "freshness = { verdict = \"refresh\", max = 3 }", "freshness.max 3 | (nothing)"),
        ("url = \"http://a/\"", "key = { verdict = \"pass\" }", "key = { verdict = \"never\" }", "key.verdict never | pass"),
        ("url = \"http://a/key/never\"", "key = { verdict = \"never\" }", "key = \"never\"", "key never | { verdict = \"never\" }"),
        ("url = \"http://a/b\"\n[config]\nmirrors = [\"a\"]", "key = \"mirrors/b\"", "key = \"/b\"", "key /b | mirrors/b"),
        ("url = \"http://a/\"\n[config]\ncomplaint = 9", "config-error = { at = \"/complaint/////////\" }", "config-error = { at = \"\" }", "config-error.at | /complaint/////////"),
        ("url = \"http://a/\"\n[config]\ncomplaint = 9", "config-error = { message = \"no no no \" }", "access = { verdict = \"allow\" }", "config-error (nothing) | { at ="),
        ("url = \"http://a/\"", "access = { verdict = \"allow\" }", "config-error = { message = \"no\" }", "config-error.message no | (nothing)"),
        ("url = \"http://a/access/trap\"", "failure = \"it trapped\"", "failure = \"it was slow\"", "failure it was slow | access: it trapped (wasm"),
        ("url = \"http://a/access/eat\"", "failure = \"more memory than its limit of 8192 KB\"", "access = { verdict = \"allow\" }", "failure (nothing) | access: it wanted more memory"),
        ("url = \"http://a/\"", "access = { verdict = \"allow\" }", "failure = \"it trapped\"", "failure it trapped | (nothing)"),
    ];
    let file = |expect: fn(&(&str, &'static str, &'static str, &str)) -> &'static str| {
        let texts = cases.iter().enumerate().map(|(index, case)| {
            let text = format!("[request]\n{}\n[expect]\n{}\n", case.0, expect(case));
            (format!("{index:02}.toml"), text)
        });
        texts.collect::<Vec<(String, String)>>()
    };
    let plugin = |files: &[(String, String)]| {
        let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (&**n, &**t)).collect();
        plugin(PATIENT, &files)
    };
    let (_folder, right) = plugin(&file(|case| case.1));
    let (code, stdout, _) = test(&right, &[]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.ends_with("\n21 passed\n"), "{stdout}");

    let (_folder, wrong) = plugin(&file(|case| case.2));
    let (code, stdout, _) = test(&wrong, &[]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.ends_with("\n21 failed\n"), "{stdout}");
    let mut failed = stdout
        .split("FAILED  P/cases/")
        .filter(|said| said.contains("expected"));
    for (index, (_, _, wrong, shown)) in cases.iter().enumerate() {
        let said = failed.next().unwrap_or_default();
        assert!(
            said.starts_with(&format!("{index:02}.toml: {index:02}\n")),
            "{said}"
        );
        // How it stands in columns is another test's.
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(shown), "{wrong}: no {shown:?} in:\n{said}");
    }

    // Blessed, they expect what the plugin does.
    let (code, stdout, stderr) = test(&wrong, &["--bless"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.ends_with("\n21 blessed\n"), "{stdout}");
    let (code, stdout, _) = test(&wrong, &[]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.ends_with("\n21 passed\n"), "{stdout}");
}

#[test]
fn expected_and_got_stand_side_by_side() {
    let case = "[[case]]\nname = \"short\"\nrequest = { url = \"http://a/access/message\" }\n\
                expect.access = { verdict = \"allow\", rule = \"by law\" }\n\
                [[case]]\nname = \"long\"\nrequest = { url = \"http://a/\" }\n\
                expect.access.rule = \"a rule so long that it cannot stand beside what was got, \
                which is why one is below the other\"\n";
    let (_folder, plugin) = plugin(PATIENT, &[("law.toml", case)]);
    let (code, stdout, _) = test(&plugin, &[]);
    assert_eq!(code, Some(1));
    assert_eq!(
        stdout,
        "FAILED  P/cases/law.toml: short\n\
         \x20                 expected   got\n\
         \x20 access.verdict  allow    | deny\n\
         \x20 access.rule     by law   | by  law\n\n\
         FAILED  P/cases/law.toml: long\n\
         \x20 access.rule\n\
         \x20   expected  a rule so long that it cannot stand beside what was got, which is why one \
         is below the other\n\
         \x20   got       hostile allows\n\n\
         FAILED  P/cases/law.toml: 2 failed\n\
         2 failed\n"
    );
}

/// A trap counts as an answer only where the manifest says that the request goes on.
#[test]
fn failures_have_the_policy_of_the_manifest() {
    let case = "[request]\nurl = \"http://a/request/trap\"\nfields = [\"A: b\"]\n\
                [expect]\nrequest-fields = [\"A: b\"]\nfailure = \"request-headers: it trapped\"\n";
    for (policy, expected) in [("open", Some(0)), ("closed", Some(1))] {
        let manifest = format!("{PATIENT}[failure]\nrequest-headers = \"{policy}\"");
        let (_folder, plugin) = plugin(&manifest, &[("a.toml", case)]);
        let (code, stdout, _) = test(&plugin, &[]);
        assert_eq!(code, expected, "{policy}: {stdout}");
    }
}

/// Limits, grants and the configuration are the manifest's; each case begins anew.
#[test]
fn cases_run_under_the_manifest_and_do_not_see_each_other() {
    let manifest = "[limits]\ntime = \"20 ms\"\nfailures = 1\n[config]\nmirrors = [\"a\"]";
    let case = "[request]\nurl = \"http://a/access/loop\"\n\
                [[case]]\nname = \"slow\"\nexpect = { failure = \"longer than its limit of 20ms\" }\n\
                [[case]]\nname = \"slow again\"\nexpect = { failure = \"longer than its limit\" }\n\
                [[case]]\nname = \"keyed\"\nrequest = { url = \"http://a/x\" }\n\
                expect = { key = \"mirrors/x\" }\n\
                [[case]]\nname = \"by another configuration\"\nrequest = { url = \"http://a/x\" }\n\
                config = {}\nexpect = { key = { verdict = \"pass\" } }\n";
    let (_folder, plugin) = plugin(manifest, &[("a.toml", case)]);
    let (code, stdout, stderr) = test(&plugin, &[]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
}

#[test]
fn blessing_changes_what_is_wrong_and_nothing_else() {
    let case = "# Why.\n[request]\nurl = \"http://a/access/message\"   # it is asked\n\n\
                [[case]]\nname = \"inline\" # one\nexpect = { access = { status = 403 } } # two\n\n\
                [[case]]\nname = \"headers\"\n[case.expect.access] # three\n# four\nstatus = 451\n\
                rule = \"by law\" # five\n\n\
                [[case]]\nname = \"dotted\"\nexpect.access.status = 404\n\
                expect.access.verdict = \"deny\" # six\n\n\
                [[case]]\nname = \"nothing yet\"\nrequest.url = \"http://a/b\"\n\n\
                [[case]]\nname = \"another verdict\"\n[case.expect.access]\nverdict = \"allow\"\n\
                rule = \"gone\"";
    let blessed = "# Why.\n[request]\nurl = \"http://a/access/message\"   # it is asked\n\n\
                [[case]]\nname = \"inline\" # one\nexpect = { access = { status = 451 } } # two\n\n\
                [[case]]\nname = \"headers\"\n[case.expect.access] # three\n# four\nstatus = 451\n\
                rule = \"by  law\" # five\n\n\
                [[case]]\nname = \"dotted\"\nexpect.access.status = 451\n\
                expect.access.verdict = \"deny\" # six\n\n\
                [[case]]\nname = \"nothing yet\"\nrequest.url = \"http://a/b\"\n\n\
                [case.expect]\naccess = { verdict = \"allow\", rule = \"hostile allows\" }\n\
                request-fields = [\"X-Refused: 6\"]\nkey = { verdict = \"pass\" }\n\n\
                [[case]]\nname = \"another verdict\"\n[case.expect.access]\n\
                status = 451\nmessage = \"not in this <country>  \"\nverdict = \"deny\"\n\
                rule = \"by  law\"";
    let (_folder, plugin) = plugin(PATIENT, &[("a.toml", case)]);
    let (code, stdout, stderr) = test(&plugin, &["--bless"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert_eq!(stdout, "wrote   P/cases/a.toml: 5 blessed\n5 blessed\n");
    let path = plugin.join("cases/a.toml");
    assert_eq!(fs::read_to_string(&path).unwrap(), blessed);
    // What is right is not written.
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let (_, stdout, _) = test(&plugin, &["--bless"]);
    assert_eq!(stdout, "ok      P/cases/a.toml: 5 passed\n5 passed\n");
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
}

#[test]
fn what_cannot_be_tested_is_said_with_its_place() {
    #[rustfmt::skip]
    let cases = [
        ("[request]\nurl = \"http://a/\"\n", "the case `a` expects nothing: it cannot fail", ":1:1"),
        ("[request]\nurl = \"http://a/\"\n[expect]\n", "expects nothing: it cannot fail", ":3:1"),
        ("[request]\nurl = \"http://a/\"\n[expect]\naccess = {}\n", "expects nothing: it cannot fail", ":3:1"),
        ("[expect]\nkey = \"a\"\n", "what is this case's request for?", ":1:1"),
        ("[request]\nurl = \"/a\"\n[expect]\nkey = \"a\"\n", "`/a`: write it in full, http://host/path", ":2:7"),
        ("[request]\nurl = \"http://a b/\"\n[expect]\nkey = \"a\"\n", "' ' cannot be in there", ":2:7"),
        ("[request]\nmethod = \"G T\"\nurl = \"http://a/\"\n[expect]\nkey = \"a\"\n", "`G T` is not a method", ":2:10"),
        ("[request]\nurl = \"http://a/\"\nclient = \"me\"\n[expect]\nkey = \"a\"\n", "invalid IP address", ":3:10"),
        ("[request]\nurl = \"http://a/\"\nfields = [\"A: b\", \"C\"]\n[expect]\nkey = \"a\"\n", "`C` is not a field", ":3:19"),
        ("[request]\nurl = \"http://a/\"\nreceived = \"noon\"\n[expect]\nkey = \"a\"\n", "not a moment", ":3:12"),
        ("[request]\nurl = \"http://a/\"\n[response]\nstatus = 42\n[expect]\nkey = \"a\"\n", "a status is 100 to 599", ":4:10"),
        ("[request]\nurl = \"http://a/\"\n[expect]\nacess = { status = 3 }\n", "there is no key `acess` here", ":4:1"),
        ("[request]\nurl = \"http://a/\"\n[expect]\nkey = { verdict = \"pas\" }\n", "unknown variant `pas`", ":4:"),
        ("[request]\nurl = \"http://a/\"\n[expect]\nkey = 3\n", "a key, or { verdict = \"pass\" }", ":4:7"),
        ("[request]\nurl = \"http://a/\"\n[expect]\nkey = \"a\"\n[[case]]\nname = \"b\"\n", "this key belongs under", ":3:1"),
        ("name = \"a\"\n[[case]]\nname = \"b\"\n", "the file needs none", ":1:8"),
        ("[request]\nurl = \"http://a/\"\n[[case]]\nname = \"b\"\nexpect = { key = \"a\" }\n[[case]]\nname = \"b\"\n", "another case of this file has that name", ":7:8"),
        ("[request]\nurl = \"http://a/\"\n[[case]]\nname = \"b\"\n", "the case `b` expects nothing", ":4:8"),
    ];
    for (text, message, place) in cases {
        let (_folder, plugin) = plugin("", &[("a.toml", text)]);
        let (code, stdout, stderr) = test(&plugin, &[]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{text}\n{stderr}");
        let place = format!("--> P/cases/a.toml{place}");
        for part in [message, &place] {
            assert!(stderr.contains(part), "{text}\nno {part:?} in:\n{stderr}");
        }
    }
}

#[test]
fn a_plugin_that_cannot_be_tested_does_not_keep_others_from_it() {
    let right = "[request]\nurl = \"http://a/\"\n[expect]\nkey = { verdict = \"pass\" }\n";
    let (_folder, good) = plugin("", &[("a.toml", right)]);
    let (_folder, unbuilt) = plugin("", &[("a.toml", right)]);
    fs::remove_file(unbuilt.join("hostile.wasm")).unwrap();
    let (_folder, caseless) = plugin("", &[]);
    let (good, unbuilt, caseless) = (
        good.to_str().unwrap(),
        unbuilt.to_str().unwrap(),
        caseless.to_str().unwrap(),
    );
    let (code, stdout, stderr) = run(&["plugin", "test", unbuilt, caseless, good]);
    assert_eq!(code, Some(2));
    assert!(stdout.ends_with("\n1 passed\n"), "{stdout}");
    for part in [
        format!("build it: wproxy plugin build {unbuilt}"),
        format!("no cases in {caseless}/cases"),
    ] {
        assert!(stderr.contains(&part), "no {part:?} in:\n{stderr}");
    }
}

/// In CI, 1 is for cases alone.
#[test]
fn arguments_that_are_not_understood_are_no_failed_case() {
    for (arguments, code) in [
        (&["plugin", "test", "--nothing"][..], 2),
        (&["plugin", "test", "--bless=yes", "."], 2),
        (&["plugin", "test", "/nowhere"], 2),
        (&["plugin", "test", "--help"], 0),
        (&["plugin", "build", "--nothing"], 1),
        (&["plugin", "tset"], 1),
        (&["explain", "plugin", "test", "--nothing"], 1),
    ] {
        let (got, _, stderr) = run(arguments);
        assert_eq!(got, Some(code), "{arguments:?}: {stderr}");
    }
}

/// Of one hook, so that there are others that it does not have.
#[test]
fn a_hook_that_the_plugin_does_not_serve_cannot_be_expected() {
    let [access_policy, ..] = default_plugins() else {
        panic!("there are three");
    };
    let folder = tempfile::tempdir().unwrap();
    for file in ["plugin.toml", "access-policy.wasm"] {
        fs::copy(access_policy.join(file), folder.path().join(file)).unwrap();
    }
    fs::create_dir(folder.path().join("cases")).unwrap();
    let case = "[request]\nurl = \"http://a/\"\n[expect]\nkey = \"a\"\n";
    fs::write(folder.path().join("cases/a.toml"), case).unwrap();
    let message = "the case `a` expects `key`, and the plugin does not serve the hook `cache-key`";
    for options in [&[][..], &["--bless"]] {
        let (code, _, stderr) = test(folder.path(), options);
        assert_eq!(code, Some(2));
        assert!(stderr.contains(message), "{stderr}");
        assert!(stderr.contains("help: it serves access"), "{stderr}");
    }
}
