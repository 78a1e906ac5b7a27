//! An explanation for people: pure.

use crate::control::{
    Asked, Condition, Decision, Explained, HelperSaid, Line, Outcome, PluginAsked, Rule,
    RuleOutcome, Verdict,
};
use std::fmt::{self, Write as _};

/// A column of conditions is no wider than this.
const WIDEST: usize = 24;

/// What was asked for, every rule that was looked at, and what becomes of the request.
pub(super) fn text(explained: &Explained) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_head(&mut text, explained);
    for asked in &explained.asked {
        let _ = write_plugin(&mut text, asked);
    }
    let _ = write_verdict(&mut text, &explained.verdict);
    text
}

fn write_head(text: &mut String, explained: &Explained) -> fmt::Result {
    let asked = &explained.request;
    if let Some(past) = &explained.past {
        write_past(text, explained, asked, past)?;
    }
    if let Some(name) = &asked.name {
        match (&asked.no_addresses, &asked.addresses) {
            (Some(why), _) => writeln!(text, "resolve  {name}: {why}")?,
            (None, Some(addresses)) => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                writeln!(text, "resolve  {name}: {}", addresses.join(", "))?;
            }
            (None, None) => {}
        }
    }
    for HelperSaid {
        helper,
        key,
        answer,
    } in &asked.answers
    {
        match key {
            Some(key) => writeln!(text, "lookup   {helper}: {key}: {answer}")?,
            None => writeln!(text, "lookup   {helper}: {answer}")?,
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    Ok(())
}

fn write_past(
    text: &mut String,
    explained: &Explained,
    asked: &Asked,
    past: &Outcome,
) -> fmt::Result {
    let id = asked.id.map_or("-".into(), |id| id.to_string());
    writeln!(text, "request  {id}: {} {}", asked.method, asked.uri)?;
    writeln!(text, "client   {}", asked.client)?;
    let (received, elapsed) = (&asked.received, past.elapsed);
    writeln!(text, "came     {received}, took {elapsed} ms")?;
    write!(text, "outcome  {}/{:03}", past.code, past.status)?;
    match &past.error {
        Some(error) => writeln!(text, ": {error}")?,
        None => text.push('\n'),
    }
    let (then, now) = (past.generation, explained.generation);
    if let Some(rule) = &past.rule {
        writeln!(text, "decided  {}", rule.rule)?;
        writeln!(text, "at       {}, generation {then}", place(rule))?;
    }
    if past.is_over {
        writeln!(
            text,
            "note     generation {then} decided; it is over: this is what generation {now} would say"
        )?;
    } else if past.rule.is_some() && past.rule != explained.verdict.by {
        writeln!(
            text,
            "note     what follows is what would be said now: a plugin goes by more than the request"
        )?;
    }
    Ok(())
}

fn write_plugin(text: &mut String, asked: &PluginAsked) -> fmt::Result {
    let PluginAsked {
        plugin,
        hook,
        explains,
        failure,
        rules,
        said,
        by,
    } = asked;
    let when = match hook.as_str() {
        "cache-rules" => ", where the response may be stored",
        _ => "",
    };
    writeln!(text, "{hook}: {plugin}{when}")?;
    let widths = rules.iter().flat_map(|rule| &rule.conditions);
    let widths = widths.map(|condition| condition.condition.chars().count());
    let width = widths.max().unwrap_or_default().min(WIDEST);
    for rule in rules {
        write_rule(text, rule, width)?;
    }
    let mut words = match (explains, failure) {
        (false, _) => vec!["does not explain itself".to_owned()],
        (true, Some(why)) => vec![format!("cannot explain itself: {why}")],
        (true, None) if rules.is_empty() => vec!["looks at no rule".to_owned()],
        (true, None) => Vec::new(),
    };
    // The rule that decides says it already, unless the plugin contradicts itself.
    let says_it = |rule: &Rule| {
        let by = by.as_ref().map(|line| &line.rule);
        rule.outcome == RuleOutcome::Decides && by == Some(&rule.rule)
    };
    if let Some(said) = said
        && !rules.iter().any(says_it)
    {
        let by = by.as_ref().map(|line| match &line.at {
            Some(at) => format!(", by {}    # {at}", line.rule),
            None => format!(", by {}", line.rule),
        });
        words.push(format!("it says: {said}{}", by.unwrap_or_default()));
    }
    if !words.is_empty() {
        writeln!(text, "  {}", words.join("; "))?;
    }
    text.push('\n');
    Ok(())
}

fn write_rule(text: &mut String, rule: &Rule, width: usize) -> fmt::Result {
    let mark = match rule.outcome {
        RuleOutcome::DoesNotApply => '-',
        RuleOutcome::Applies => '+',
        RuleOutcome::Decides => '>',
        RuleOutcome::Undecided => '?',
    };
    write!(text, "  {mark} {}", rule.rule)?;
    match &rule.at {
        Some(at) => writeln!(text, "    # {at}")?,
        None => text.push('\n'),
    }
    for Condition {
        condition,
        holds,
        why,
    } in &rule.conditions
    {
        let holds = match holds {
            Some(true) => "yes",
            Some(false) => "no",
            None => "?",
        };
        writeln!(text, "      {holds:3}  {condition:width$}  {why}")?;
    }
    Ok(())
}

fn write_verdict(text: &mut String, verdict: &Verdict) -> fmt::Result {
    match (verdict.verdict, &verdict.reason, verdict.status) {
        (Decision::Allow, ..) => writeln!(text, "allow")?,
        (Decision::Undecided, reason, _) => {
            let reason = reason.as_deref().unwrap_or("something is not known");
            writeln!(text, "undecided, because {reason}")?;
        }
        (Decision::Deny, Some(reason), _) => writeln!(text, "deny     {reason}")?,
        (Decision::Deny, None, status) => {
            writeln!(text, "deny     {}", status.unwrap_or_default())?;
        }
    }
    if let Some(rule) = &verdict.by {
        writeln!(text, "rule     {}", rule.rule)?;
        writeln!(text, "at       {}", place(rule))?;
    }
    Ok(())
}

/// Where a rule stands: file and line, plugin.
fn place(line: &Line) -> String {
    match &line.at {
        Some(at) => format!("{at}, plugin {}", line.plugin),
        None => format!("plugin {}", line.plugin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(rule: &str, at: Option<&str>) -> Line {
        Line {
            rule: rule.into(),
            plugin: "access-policy".into(),
            at: at.map(str::to_owned),
        }
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
        let note =
            "note     generation 3 decided; it is over: this is what generation 5 would say\n";
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
        assert!(text(&explained).contains("note     what follows is what would be said now"));
        explained.verdict.by = Some(line("http_access deny all", Some("a.toml:8")));
        let shown = text(&explained);
        assert!(shown.starts_with(&format!("{head}{resolved}")), "{shown}");
    }
}
