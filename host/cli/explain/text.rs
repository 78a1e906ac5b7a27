//! An explanation for people: pure.

use crate::control::{
    Asked, Condition, Decision, Explained, HelperSaid, Outcome, PluginAsked, Rule, RuleOutcome,
    Verdict,
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
        writeln!(text, "decided  {rule}")?;
        writeln!(text, "at       {}, generation {then}", rule.place())?;
    }
    if past.is_over {
        writeln!(
            text,
            "note     generation {then} decided; it is gone: this is what generation {now} would say"
        )?;
    } else if past.rule != explained.verdict.by {
        writeln!(
            text,
            "note     at the time it was decided otherwise: by a body, by a plugin that failed, or by what it knew"
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
        let by = by.as_ref().map(|by| &*by.text);
        rule.outcome == RuleOutcome::Decides && by == Some(&*rule.rule)
    };
    if let Some(said) = said
        && !rules.iter().any(says_it)
    {
        let by = by.as_ref().map(|by| match &by.location {
            Some(at) => format!(", by {by}    # {at}"),
            None => format!(", by {by}"),
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
        writeln!(text, "rule     {rule}")?;
        writeln!(text, "at       {}", rule.place())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
