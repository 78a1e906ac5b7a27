//! `wproxy plugin unpack`: the plugins that the binary carries, to add others to them.

use crate::plugins::add;
use crate::support::proxy::run;
use crate::support::{OPEN_POLICY, Origin, Proxy};
use rustix::process::Signal;
use std::fs;
use std::path::Path;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// What differs between two of them: where the lines of their configurations stand.
fn described(arguments: &[&str], folder: &str) -> String {
    let (code, stdout, stderr) = run(&[&["check"], arguments].concat());
    assert_eq!(code, Some(0), "{stderr}");
    stdout.replace(folder, "F/")
}

#[test]
fn what_is_unpacked_is_what_serves_without_and_others_can_be_added() {
    let place = tempfile::tempdir().unwrap();
    let policy = place.path().join("a/policy");
    let (code, stdout, stderr) = run(&["plugin", "unpack", text(&policy)]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let mut expected = String::new();
    for name in ["access-policy", "header-scrub", "cache-rules"] {
        for file in ["plugin.toml".into(), format!("{name}.wasm")] {
            let path = policy.join(name).join(file);
            assert!(path.is_file(), "{}", path.display());
            expected += &format!("wrote {}\n", path.display());
        }
    }
    expected += &format!("next:\n  wproxy check --plugins {}\n", policy.display());
    assert_eq!(stdout, expected);

    let unpacked = described(
        &["--plugins", text(&policy)],
        &format!("{}/", policy.display()),
    );
    assert_eq!(unpacked, described(&[], "(built in) "));

    let origin = Origin::plain();
    let served = |proxy: &Proxy| {
        let response = proxy.get(&origin.url("/"), &["Forwarded: for=x"]);
        let fields = response.fields.into_iter();
        let fields: Vec<_> = fields.filter(|(name, _)| name != "date").collect();
        let mut seen = origin.seen();
        seen.fields.retain(|(name, _)| name != "Host");
        (response.status, fields, seen.fields)
    };
    let with = Proxy::with_policy(OPEN_POLICY, &["--plugins", text(&policy)]);
    let without = Proxy::with_policy(OPEN_POLICY, &[]);
    assert_eq!(served(&with), served(&without));

    add(&policy, "hostile", "order = 1");
    with.signal(Signal::HUP);
    with.says("generation 2 serves: 4 plugins, 3 of them unchanged");
    assert_eq!(with.get(&origin.url("/access/message"), &[]).status, 451);
}

#[test]
fn unpack_overwrites_nothing_and_names_what_is_there() {
    let place = tempfile::tempdir().unwrap();
    let there = place.path().join("cache-rules");
    fs::write(&there, "mine").unwrap();
    let (code, stdout, stderr) = run(&["plugin", "unpack", text(place.path())]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let said = format!(
        "error: {} exists already: nothing was written\nhelp: name another folder, or move it \
         away\n",
        there.display()
    );
    assert_eq!(stderr, said);
    assert_eq!(fs::read_to_string(there).unwrap(), "mine");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}
