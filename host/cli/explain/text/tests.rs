use super::*;
use crate::config::Location;
use crate::plugin;

fn line(rule: &str, at: Option<&str>) -> plugin::Rule {
    plugin::Rule::new("access-policy", rule, at.and_then(Location::read))
}

fn rule(rule: &str, outcome: RuleOutcome, conditions: &[(&str, Option<bool>, &str)]) -> Rule {
    let condition = |&(condition, holds, why): &(&str, Option<bool>, &str)| Condition {
        condition: condition.into(),
        holds,
        why: why.into(),
    };
    Rule {
        rule: rule.into(),
        at: Some("a.toml:7".into()),
        outcome,
        conditions: conditions.iter().map(condition).collect(),
    }
}

fn asked(hook: &str, plugin: &str, rules: Vec<Rule>) -> PluginAsked {
    PluginAsked {
        plugin: plugin.into(),
        hook: hook.into(),
        explains: true,
        failure: None,
        rules,
        said: None,
        by: None,
    }
}

fn explained(asked: Vec<PluginAsked>) -> Explained {
    Explained {
        request: Asked {
            id: None,
            method: "GET".into(),
            uri: "http://a/".into(),
            name: Some("a".into()),
            client: [10, 0, 0, 1].into(),
            received: "2026-11-24T21:50:03Z".into(),
            addresses: None,
            no_addresses: None,
            answers: Vec::new(),
        },
        past: None,
        generation: 5,
        asked,
        verdict: Verdict {
            verdict: Decision::Deny,
            status: Some(403),
            reason: None,
            by: Some(line("http_access deny all", Some("a.toml:9"))),
        },
    }
}

#[test]
fn rules_stand_with_their_conditions_under_their_plugins() {
    let rules = vec![
        rule(
            "http_access deny !Safe_ports",
            RuleOutcome::DoesNotApply,
            &[("!Safe_ports", Some(false), "port 80: 80")],
        ),
        rule(
            "http_access deny CONNECT inside",
            RuleOutcome::Undecided,
            &[
                ("CONNECT", Some(true), "method CONNECT: CONNECT"),
                ("inside", None, "dst 10.0.0.0/8: not known yet"),
            ],
        ),
        rule(
            "http_access deny all",
            RuleOutcome::Decides,
            &[("all", Some(true), "everyone")],
        ),
    ];
    let explained = explained(vec![
        asked("access", "access-policy", rules),
        asked(
            "cache-rules",
            "fresh",
            vec![rule("it is old", RuleOutcome::Applies, &[])],
        ),
    ]);
    assert_eq!(
        text(&explained),
        "access: access-policy\n\
         \x20 - http_access deny !Safe_ports    # a.toml:7\n\
         \x20     no   !Safe_ports  port 80: 80\n\
         \x20 ? http_access deny CONNECT inside    # a.toml:7\n\
         \x20     yes  CONNECT      method CONNECT: CONNECT\n\
         \x20     ?    inside       dst 10.0.0.0/8: not known yet\n\
         \x20 > http_access deny all    # a.toml:7\n\
         \x20     yes  all          everyone\n\n\
         cache-rules: fresh, where the response may be stored\n\
         \x20 + it is old    # a.toml:7\n\n\
         deny     403\n\
         rule     http_access deny all\n\
         at       a.toml:9, plugin access-policy\n"
    );
}

#[test]
fn plugins_that_do_not_explain_themselves_are_shown_with_what_they_say() {
    let said = |explains, failure: Option<&str>, said: Option<&str>, by| PluginAsked {
        explains,
        failure: failure.map(str::to_owned),
        said: said.map(str::to_owned),
        by,
        ..asked("access", "p", vec![])
    };
    let hosts = || Some(line("hosts a", Some("p.toml:3")));
    #[rustfmt::skip]
    let cases = [
        (said(false, None, Some("allow"), hosts()), "does not explain itself; it says: allow, by hosts a    # p.toml:3"),
        (said(false, None, Some("deny 451"), Some(line("no", None))), "does not explain itself; it says: deny 451, by no"),
        (said(false, None, None, None), "does not explain itself"),
        (said(true, Some("it trapped"), Some("pass"), None), "cannot explain itself: it trapped; it says: pass"),
        (said(true, None, Some("pass"), None), "looks at no rule; it says: pass"),
    ];
    let decides = || vec![rule("hosts a", RuleOutcome::Decides, &[])];
    for (by, also) in [
        (hosts(), ""),
        (Some(line("no", None)), "  it says: allow, by no\n"),
    ] {
        let asked = PluginAsked {
            rules: decides(),
            ..said(true, None, Some("allow"), by)
        };
        let text = text(&explained(vec![asked]));
        let expected = format!("access: p\n  > hosts a    # a.toml:7\n{also}\ndeny ");
        assert!(text.starts_with(&expected), "{text}");
    }
    for (asked, expected) in cases {
        let text = text(&explained(vec![asked]));
        assert!(
            text.starts_with(&format!("access: p\n  {expected}\n\ndeny ")),
            "{text}"
        );
    }
}

#[test]
fn what_became_of_a_request_stands_first() {
    let mut explained = explained(vec![]);
    let over = Outcome {
        code: "TCP_DENIED".into(),
        status: 403,
        generation: 3,
        is_over: true,
        rule: Some(line("http_access deny all", Some("a.toml:8"))),
        error: Some("http_request_denied".into()),
        elapsed: 12,
    };
    explained.request.id = Some(1001);
    explained.request.addresses = Some(vec![[192, 0, 2, 1].into()]);
    explained.past = Some(over.clone());
    let head = "request  1001: GET http://a/\n\
                client   10.0.0.1\n\
                came     2026-11-24T21:50:03Z, took 12 ms\n\
                outcome  TCP_DENIED/403: http_request_denied\n\
                decided  http_access deny all\n\
                at       a.toml:8, plugin access-policy, generation 3\n";
    let resolved = "resolve  a: 192.0.2.1\n\ndeny ";
    let note = "note     generation 3 decided; it is gone: this is what generation 5 would say\n";
    let shown = text(&explained);
    assert!(
        shown.starts_with(&format!("{head}{note}{resolved}")),
        "{shown}"
    );
    // The rules say what they said then, or they do not.
    let alive = Outcome {
        is_over: false,
        ..over
    };
    explained.past = Some(alive);
    assert!(text(&explained).contains("note     at the time it was decided otherwise"));
    explained.verdict.by = Some(line("http_access deny all", Some("a.toml:8")));
    let shown = text(&explained);
    assert!(shown.starts_with(&format!("{head}{resolved}")), "{shown}");
}
