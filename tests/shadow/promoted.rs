//! `wproxy shadow promote`.

use super::{ask, awake, hostile, policy, renewed::save, report, settings, shadowed};
use crate::support::proxy::request;
use crate::support::{Origin, Proxy, Then};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Barrier};

#[test]
fn the_candidate_serves_what_begins_then_and_the_old_policy_what_has_begun() {
    let end = Arc::new(Barrier::new(2));
    let origin = Origin::start({
        let end = end.clone();
        move |seen, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegin")?;
            stream.flush()?;
            if seen.target == "/private/slow" {
                end.wait();
            }
            stream.write_all(b"ended")?;
            Ok(Then::Keep)
        }
    });
    let (_folder, candidate) = settings(&policy("\"deny private\", "));
    let proxy = shadowed(&policy(""), &candidate);
    let mut slow = proxy.connect();
    slow.send(request("GET", &origin.url("/private/slow"), &[], b""));
    origin.seen();
    let status = |path: &str| proxy.get(&origin.url(path), &[]).status;
    assert_eq!(status("/private"), 200);
    assert_eq!(report(&proxy, 1)["different"], 1);

    // What has been compared is what serves, whatever the file says by now.
    fs::write(&candidate, "nonsense").unwrap();
    let (code, text, stderr) = proxy.command(&["shadow", "promote"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let expected = format!(
        "generation 2 serves: 3 plugins, 2 of them unchanged\nchanged    access-policy\n\
         unchanged  header-scrub, cache-rules\n\
         The shadow is empty. To keep this policy after a restart:\n\
         \x20 put [plugins], [sets] and [helpers] of {} into its settings, in place of those there\n\
         \x20 leave out --shadow and --shadow-config, and what [shadow] names\n",
        candidate.display()
    );
    assert_eq!(text, expected);
    proxy.says("the candidate in the shadow was promoted: generation 2 serves");
    assert_eq!((status("/private"), status("/public")), (403, 200));
    end.wait();
    assert_eq!(slow.response("GET").text(), "beginended");
    assert_eq!(proxy.command(&["shadow", "report"]).0, Some(1));
    assert_eq!(ask(&proxy, &["status"]).get("shadow"), None);

    // Reloads go on with the candidate's file.
    let (code, _, stderr) = proxy.command(&["reload"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("candidate.toml"), "{stderr}");
    assert_eq!(status("/private"), 403);
    // The settings would deny everything, and do not count: whoever looks is told.
    fs::write(proxy.settings(), policy("\"deny all\", ")).unwrap();
    fs::write(&candidate, policy("\"deny secret\", ")).unwrap();
    let reload = ask(&proxy, &["reload"]);
    assert_eq!(
        (&reload["generation"], reload.get("shadow")),
        (&json!(3), None)
    );
    let origin = format!("the same plugins by {}", candidate.display());
    assert_eq!(reload["promoted"], origin);
    assert_eq!(ask(&proxy, &["status"])["promoted"], origin);
    let told = format!("{origin}, as promoted, instead of what the settings name");
    proxy.says(&told);
    for command in ["status", "reload"] {
        let (_, text, _) = proxy.command(&[command]);
        assert!(text.contains(&told), "{text}");
    }
    assert_eq!((status("/private"), status("/secret")), (200, 403));
}

#[test]
fn a_folder_can_be_promoted_and_the_next_candidate_be_tried() {
    let (plugins, (folder, none)) = (hostile(""), settings(""));
    let [next, none] = [plugins.path(), &none].map(|path| path.to_str().unwrap().to_owned());
    let arguments = ["--shadow", &next, "--shadow-config", &none];
    let (proxy, origin) = (
        Proxy::with_policy(&awake(&policy("")), &arguments),
        Origin::plain(),
    );
    assert_eq!(proxy.get(&origin.url("/access/message"), &[]).status, 200);
    assert_eq!(report(&proxy, 1)["different"], 1);
    let promotion = ask(&proxy, &["shadow", "promote"]);
    let changes = json!({
        "new": ["hostile"], "changed": [], "unchanged": [],
        "gone": ["access-policy", "header-scrub", "cache-rules"],
    });
    let expected = json!({"generation": 2, "changes": changes, "plugins": next, "config": none});
    assert_eq!(promotion, expected);
    assert_eq!(proxy.get(&origin.url("/access/message"), &[]).status, 451);

    // It is what serves: it is not tried any more.
    assert_eq!(ask(&proxy, &["reload"]).get("shadow"), None);
    let (code, _, stderr) = proxy.command(&["shadow", "promote"]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with("error: there is no candidate in the shadow\n"),
        "{stderr}"
    );
    drop(folder);
    let _: Value = promotion;
}

#[test]
fn the_next_candidate_has_the_next_number() {
    let [(_first, first), (_next, next)] =
        ["\"deny private\", ", "\"deny secret\", "].map(|rules| settings(&policy(rules)));
    let own = |file: &Path| format!("{}config = {file:?}\n", awake(&policy("")));
    let proxy = Proxy::with_policy(&own(&first), &[]);
    let number = || report(&proxy, 0)["candidate"].clone();
    assert_eq!(number(), 1);
    ask(&proxy, &["shadow", "promote"]);
    save(&proxy, &own(&next));
    assert_eq!(ask(&proxy, &["reload"])["shadow"]["candidate"], 2);
    assert_eq!(number(), 2);
    // So has one that comes when the shadow has been empty for a while.
    for (text, expected) in [(policy(""), None), (own(&next), Some(3))] {
        save(&proxy, &text);
        let reload = ask(&proxy, &["reload"]);
        assert_eq!(reload["shadow"]["candidate"].as_u64(), expected, "{reload}");
    }
}
