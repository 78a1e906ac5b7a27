//! The candidate through reloads, and mistakes in it.

use super::{ask, awake, brief, hostile, policy, report, settings, shadowed};
use crate::support::proxy::run;
use crate::support::{Origin, Proxy};
use serde_json::{Value, json};
use std::fs;

/// The settings are these from now on.
pub(super) fn save(proxy: &Proxy, settings: &str) {
    let cache = proxy.folder.path().join("cache");
    let head = format!("http_port = [\"127.0.0.1:0\"]\ncache_dir = {cache:?}\n");
    let settings = head + settings;
    fs::write(proxy.settings(), settings).unwrap();
}

const BROKEN: &str = "[plugins.access-policy]\nacl = []\nhttp_access = [\"allow nobody\"]\n";

#[test]
fn a_mistake_in_the_candidate_refuses_to_start() {
    let (folder, broken) = settings(BROKEN);
    let broken = broken.to_str().unwrap();
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    let own = folder.path().join("wproxy.toml");
    fs::write(
        &own,
        format!(
            "http_port = [\"127.0.0.1:0\"]\naccess_log = {:?}\n",
            folder.path().join("log")
        ),
    )
    .unwrap();
    let own = own.to_str().unwrap();
    for (arguments, mistake) in [
        (
            ["--shadow-config", broken],
            "acl `nobody` is not defined".to_owned(),
        ),
        (
            ["--shadow-config", missing],
            format!("cannot read {missing}: "),
        ),
        (
            ["--shadow", missing],
            format!("cannot read the plugin folder {missing}: "),
        ),
        (
            ["--shadow", folder.path().to_str().unwrap()],
            "no plugin in ".to_owned(),
        ),
    ] {
        for command in ["run", "check"] {
            let (code, _, stderr) = run(&[&[command, "--config", own], &arguments[..]].concat());
            let expected = format!("error: the candidate for the shadow: {mistake}");
            assert_eq!(code, Some(1));
            assert!(
                stderr.contains(&expected),
                "{command} {arguments:?}: {stderr}"
            );
        }
    }
    assert!(!folder.path().join("log").exists(), "nothing is touched");
}

#[test]
fn a_reload_makes_the_candidate_anew_and_a_mistake_in_it_keeps_the_old_one() {
    let (_folder, candidate) = settings(&policy("\"deny private\", "));
    let (proxy, origin) = (shadowed(&policy(""), &candidate), Origin::plain());
    let get = |path: &str| proxy.get(&origin.url(path), &[]).status;
    assert_eq!(get("/private"), 200);
    assert_eq!(report(&proxy, 1)["different"], 1);

    // Nothing has changed: the report goes on.
    save(&proxy, &awake(&policy("")));
    let reload = ask(&proxy, &["reload"]);
    let all = ["access-policy", "header-scrub", "cache-rules"];
    let unchanged = json!({"new": [], "changed": [], "unchanged": all, "gone": []});
    let expected = json!({"candidate": 2, "plugins": unchanged, "failure": null});
    assert_eq!(reload["shadow"], expected);
    assert_eq!(ask(&proxy, &["shadow", "report"])["different"], 1);

    // Another rule: it begins anew.
    fs::write(&candidate, policy("\"deny secret\", ")).unwrap();
    let (code, text, _) = proxy.command(&["reload"]);
    assert_eq!(code, Some(0));
    assert!(
        text.ends_with("candidate 3 is in the shadow: 3 plugins, 2 of them unchanged\n"),
        "{text}"
    );
    assert_eq!((get("/private"), get("/secret")), (200, 200));
    let kind = |live: &str, rule: &str| {
        json!(["access", 1, live, format!("deny 403: http_access {rule}")])
    };
    let allowed = "allow: http_access allow localhost";
    assert_eq!(brief(&report(&proxy, 2)), [kind(allowed, "deny secret")]);

    // A mistake: the live policy is another one all the same, and the candidate is the old one.
    fs::write(&candidate, BROKEN).unwrap();
    save(&proxy, &awake(&policy("\"allow private\", ")));
    let reload = ask(&proxy, &["reload"]);
    assert_eq!(
        (&reload["generation"], &reload["plugins"]["changed"]),
        (&json!(4), &json!(["access-policy"]))
    );
    assert_eq!(
        (&reload["shadow"]["candidate"], &reload["shadow"]["plugins"]),
        (&json!(3), &Value::Null)
    );
    let failure = reload["shadow"]["failure"].as_str().expect("a mistake");
    assert!(
        failure.starts_with("acl `nobody` is not defined") && failure.contains("candidate.toml:3"),
        "{failure}"
    );
    proxy.says("no new candidate for the shadow, candidate 3 stays:");
    let (_, text, _) = proxy.command(&["status"]);
    let shown = format!("\nno new candidate for the shadow, candidate 3 stays:\n{failure}\n");
    assert!(text.ends_with(&shown), "{text}");
    ask(&proxy, &["shadow", "report", "--reset"]);
    assert_eq!((get("/private"), get("/secret")), (200, 200));
    assert_eq!(brief(&report(&proxy, 2)), [kind(allowed, "deny secret")]);

    // And mended.
    fs::write(&candidate, policy("\"deny private\", ")).unwrap();
    assert_eq!(ask(&proxy, &["reload"])["shadow"]["candidate"], 4);
    assert_eq!(ask(&proxy, &["status"]).get("shadow_failure"), None);
    assert_eq!(get("/private"), 200);
    let allowed = "allow: http_access allow private";
    assert_eq!(brief(&report(&proxy, 1)), [kind(allowed, "deny private")]);
    // At the end: what looks at the metrics is compared, too.
    assert_eq!(
        super::metric(&proxy, "wproxy_shadow_reload_failures_total"),
        Some(1.0)
    );
}

#[test]
fn a_live_reload_that_fails_leaves_the_candidate_alone() {
    let (_folder, candidate) = settings(&policy("\"deny private\", "));
    let proxy = shadowed(&policy(""), &candidate);
    save(&proxy, BROKEN);
    let (code, _, stderr) = proxy.command(&["reload"]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with("error: reload failed, generation 1 goes on serving:\n"),
        "{stderr}"
    );
    assert_eq!(ask(&proxy, &["status"])["shadow"]["candidate"], 1);
}

/// No proxy has to be started anew for it.
#[test]
fn the_shadow_comes_and_goes_with_the_settings() {
    let (_folder, candidate) = settings(&policy("\"deny private\", "));
    let (proxy, origin) = (Proxy::with_policy(&policy(""), &[]), Origin::plain());
    let head = awake(&policy(""));
    let shadow = |rest: &str| format!("{head}config = {candidate:?}\n{rest}");
    save(&proxy, &shadow(""));
    let reload = ask(&proxy, &["reload"]);
    let all = ["access-policy", "header-scrub", "cache-rules"];
    let new = json!({"new": all, "changed": [], "unchanged": [], "gone": []});
    let expected = json!({"candidate": 1, "plugins": new, "failure": null});
    let said = proxy.says("candidate 1 is in the shadow: the same plugins by ");
    let plugins = "candidate.toml; plugins access-policy, header-scrub, cache-rules; 100 % of";
    assert!(said.contains(plugins), "{said}");
    assert_eq!(
        (&reload["shadow"], &reload["restart_needed"]),
        (&expected, &json!(false))
    );
    proxy.get(&origin.url("/private"), &[]);
    assert_eq!(report(&proxy, 1)["different"], 1);

    // Within other bounds.
    save(&proxy, &shadow("examples = 1\nqueue = 100\n"));
    assert_eq!(ask(&proxy, &["reload"])["shadow"]["candidate"], 2);
    for _ in 0..3 {
        proxy.get(&origin.url("/private"), &[]);
    }
    let report = report(&proxy, 3);
    assert_eq!(
        report["differences"][0]["examples"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    save(&proxy, &policy(""));
    let (_, text, _) = proxy.command(&["reload"]);
    assert!(text.ends_with("\nthe shadow is empty now\n"), "{text}");
    assert_eq!(proxy.command(&["shadow", "report"]).0, Some(1));
    assert_eq!(ask(&proxy, &["reload"]).get("shadow"), None);

    // One that has a mistake from the beginning.
    fs::write(&candidate, BROKEN).unwrap();
    save(&proxy, &shadow(""));
    let reload = ask(&proxy, &["reload"]);
    assert_eq!(reload["shadow"]["candidate"], Value::Null);
    proxy.says("no candidate for the shadow:");
    let (_, _, stderr) = proxy.command(&["shadow", "report"]);
    assert!(stderr.contains("`wproxy status` says which"), "{stderr}");
    let (_, text, _) = proxy.command(&["status"]);
    assert!(
        text.contains("\nno candidate for the shadow:\nacl `nobody`"),
        "{text}"
    );
}

#[test]
fn what_is_saved_of_the_candidate_is_noticed() {
    let folder = hostile("");
    let (_folder, none) = settings("");
    let proxy = Proxy::with_policy(
        "",
        &[
            "--watch",
            "--shadow",
            folder.path().to_str().unwrap(),
            "--shadow-config",
            none.to_str().unwrap(),
        ],
    );
    let manifest = folder.path().join("hostile/plugin.toml");
    let more = fs::read_to_string(&manifest).unwrap() + "order = 7\n";
    fs::write(&manifest, more).unwrap();
    proxy.says("hostile/plugin.toml has changed");
    proxy.says("candidate 2 is in the shadow: 1 plugin, 0 of them unchanged");
}
