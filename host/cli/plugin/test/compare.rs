//! What a case expects beside what it got.

use super::outcome::Outcome;
use std::fmt::Write as _;
use toml::{Table, Value};

/// A line of a comparison.
#[derive(Debug, PartialEq)]
struct Row {
    /// `access.rule`; empty below the first line of a list.
    label: String,
    expected: Option<String>,
    got: Option<String>,
    differs: bool,
}

/// Columns that a comparison side by side may have; a wider one is written line by line.
const WIDTH: usize = 100;

/// For people, where what is named in `expected` is not what was got.
pub(super) fn compare(expected: &Outcome, got: &Outcome) -> Option<String> {
    let rows = rows(&expected.table(), &got.table());
    let differs = rows.iter().any(|row| row.differs);
    differs.then(|| columns(&rows).unwrap_or_else(|| lines(&rows)))
}

/// What the case would have to expect to pass: the same keys with what was got.
pub(super) fn blessed(expected: &Outcome, got: &Outcome) -> Table {
    let (expected, got) = (expected.table(), got.table());
    if expected.is_empty() {
        return got;
    }
    let named = |table: &Table, of: &Table| -> Table {
        let values = of.iter().filter(|(key, _)| table.contains_key(*key));
        values.map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    let mut blessed = named(&expected, &got);
    for (key, value) in &mut blessed {
        match (&expected[key], &*value) {
            (Value::Table(wanted), Value::Table(answer))
                if wanted
                    .get("verdict")
                    .is_none_or(|v| answer.get("verdict") == Some(v)) =>
            {
                let same_keys = named(wanted, answer);
                if !same_keys.is_empty() {
                    *value = Value::Table(same_keys);
                }
            }
            (Value::String(part), Value::String(reason)) if is_failure(key, part, reason) => {
                *value = Value::String(part.clone());
            }
            _ => {}
        }
    }
    for unnamed in UNNAMED {
        if let Some(value) = got.get(unnamed) {
            blessed.entry(unnamed).or_insert_with(|| value.clone());
        }
    }
    match blessed.is_empty() {
        true => got,
        false => blessed,
    }
}

/// What a case that does not name it expects not to happen.
const UNNAMED: [&str; 2] = ["config-error", "failure"];

/// Whether this is the reason of the failure that was expected.
fn is_failure(key: &str, part: &str, reason: &str) -> bool {
    key == "failure" && reason.contains(part)
}

fn rows(expected: &Table, got: &Table) -> Vec<Row> {
    let mut rows = Vec::new();
    for unnamed in UNNAMED {
        if let Some(happened) = got.get(unnamed).filter(|_| !expected.contains_key(unnamed)) {
            push(&mut rows, unnamed, None, Some(happened));
        }
    }
    for key in in_order(expected) {
        let (wanted, answer) = (&expected[key], got.get(key));
        match (wanted, answer) {
            (Value::Table(wanted), None | Some(Value::Table(_))) => {
                for inner in in_order(wanted) {
                    let label = format!("{key}.{inner}");
                    let answer = answer.and_then(|answer| answer.get(inner));
                    push(&mut rows, &label, Some(&wanted[inner]), answer);
                }
            }
            (Value::String(part), Some(Value::String(reason))) if is_failure(key, part, reason) => {
                let same = Some(wanted);
                push(&mut rows, key, same, same);
            }
            _ => push(&mut rows, key, Some(wanted), answer),
        }
    }
    rows
}

/// A value of each side, as one row or, a list, as one for each element.
fn push(rows: &mut Vec<Row>, label: &str, expected: Option<&Value>, got: Option<&Value>) {
    let of = |value: Option<&Value>| match value {
        None => vec!["(nothing)".to_owned()],
        Some(Value::Array(lines)) if lines.is_empty() => vec!["(none)".to_owned()],
        Some(Value::Array(lines)) => lines.iter().map(plain).collect(),
        Some(value) => vec![plain(value)],
    };
    let (mut left, mut right) = (of(expected), of(got));
    let differs = left != right;
    // What both begin and end with stands side by side, and what is between is what differs.
    let prefix = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
    let rest = left[prefix..]
        .iter()
        .rev()
        .zip(right[prefix..].iter().rev());
    let suffix = rest.take_while(|(a, b)| a == b).count();
    let ends = (
        left.split_off(left.len() - suffix),
        right.split_off(right.len() - suffix),
    );
    let height = left.len().max(right.len());
    let side = |lines: Vec<String>, end: Vec<String>| {
        let mut lines: Vec<Option<String>> = lines.into_iter().map(Some).collect();
        lines.resize(height, None);
        lines.extend(end.into_iter().map(Some));
        lines
    };
    let sides = side(left, ends.0).into_iter().zip(side(right, ends.1));
    for (index, (expected, got)) in sides.enumerate() {
        rows.push(Row {
            label: if index == 0 {
                label.to_owned()
            } else {
                String::new()
            },
            differs: differs && expected != got,
            expected,
            got,
        });
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Keys as a person would name them: the verdict first.
pub(super) fn in_order(table: &Table) -> Vec<&str> {
    const ORDER: [&str; 22] = [
        "config-error",
        "failure",
        "access",
        "request-fields",
        "key",
        "freshness",
        "response-fields",
        "request-body",
        "response-body",
        "metrics",
        "verdict",
        "interest",
        "status",
        "rule",
        "message",
        "body",
        "challenge",
        "min",
        "percent",
        "max",
        "overrides",
        "at",
    ];
    let mut keys: Vec<&str> = table.keys().map(String::as_str).collect();
    keys.sort_by_key(|key| ORDER.iter().position(|known| known == key));
    keys
}

/// Side by side, if there is room: a mark as diff has it between what differs.
fn columns(rows: &[Row]) -> Option<String> {
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max();
    let label = width(|row| &row.label)?;
    let left = width(|row| row.expected.as_deref().unwrap_or_default())?.max("expected".len());
    let right = width(|row| row.got.as_deref().unwrap_or_default())?;
    if 2 + label + 2 + left + 3 + right > WIDTH {
        return None;
    }
    let mut text = format!("  {:label$}  {:left$}   got\n", "", "expected");
    for row in rows {
        let mark = match (row.differs, &row.expected, &row.got) {
            (false, _, _) => ' ',
            (true, Some(_), Some(_)) => '|',
            (true, _, None) => '<',
            (true, None, _) => '>',
        };
        let side = |side: &Option<String>| side.clone().unwrap_or_default();
        let (expected, got) = (side(&row.expected), side(&row.got));
        let line = format!("  {:label$}  {expected:left$} {mark} {got}", row.label);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Some(text)
}

/// One below the other: only what differs.
fn lines(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut label = "";
    let mut shown = "";
    for row in rows {
        if !row.label.is_empty() {
            label = &row.label;
        }
        if !row.differs {
            continue;
        }
        // Writing to a String cannot fail.
        if shown != label {
            let _ = writeln!(text, "  {label}");
            shown = label;
        }
        for (side, line) in [("expected", &row.expected), ("got", &row.got)] {
            if let Some(line) = line {
                let _ = writeln!(text, "    {side:8}  {line}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Outcome {
        toml::from_str(text).expect(text)
    }

    #[test]
    fn only_what_is_named_is_compared() {
        let got = outcome(
            "access = { verdict = 'deny', status = 403, rule = 'a' }\nrequest-fields = ['A: b']",
        );
        for (expected, same) in [
            ("", true),
            ("access = {}", true),
            ("access = { rule = 'a' }", true),
            ("access = { rule = 'A' }", false),
            ("access = { message = 'a' }", false),
            ("request-fields = ['A: b']", true),
            ("request-fields = ['a: b']", false),
            ("request-fields = []", false),
            ("response-fields = []", false),
            ("failure = ''", false),
        ] {
            let compared = compare(&outcome(expected), &got);
            assert_eq!(compared.is_none(), same, "{expected}: {compared:?}");
        }
    }

    #[test]
    fn what_goes_wrong_has_to_be_named() {
        for got in [
            "failure = 'access: it trapped'",
            "config-error = { at = '' }",
        ] {
            assert!(compare(&outcome(""), &outcome(got)).is_some(), "{got}");
        }
        let trapped = outcome("failure = 'access: it trapped'");
        assert_eq!(compare(&outcome("failure = 'it trapped'"), &trapped), None);
        assert!(compare(&outcome("failure = 'it ran longer'"), &trapped).is_some());
    }

    #[test]
    fn lists_are_aligned_by_what_they_begin_and_end_with() {
        let expected = outcome("request-fields = ['A: 1', 'B: 2', 'C: 3', 'D: 4']");
        let got = outcome("request-fields = ['A: 1', 'X: 2', 'D: 4']");
        assert_eq!(
            compare(&expected, &got).as_deref(),
            Some(
                "                  expected   got\n\
                 \x20 request-fields  A: 1       A: 1\n\
                 \x20                 B: 2     | X: 2\n\
                 \x20                 C: 3     <\n\
                 \x20                 D: 4       D: 4\n"
            )
        );
    }

    #[test]
    fn a_blessed_case_names_what_it_named_before() {
        #[rustfmt::skip]
        let cases = [
            ("", "key = 'a'\nrequest-fields = []", "key = 'a'\nrequest-fields = []"),
            ("key = 'b'", "key = 'a'\nrequest-fields = []", "key = 'a'"),
            ("access = { rule = 'a' }", "access = { verdict = 'deny', status = 403, rule = 'b' }", "access = { rule = 'b' }"),
            // Another verdict has other words.
            ("access = { verdict = 'deny', status = 403 }", "access = { verdict = 'allow', rule = 'b' }", "access = { verdict = 'allow', rule = 'b' }"),
            ("access = { status = 403 }", "access = { verdict = 'allow', rule = 'b' }", "access = { verdict = 'allow', rule = 'b' }"),
            // A part of the reason stays one; what fails now is said.
            ("failure = 'trapped'", "failure = 'key: it trapped'", "failure = 'trapped'"),
            ("failure = 'trapped'", "failure = 'key: too slow'", "failure = 'key: too slow'"),
            ("key = 'a'", "failure = 'key: too slow'", "failure = 'key: too slow'"),
            ("failure = 'trapped'", "key = 'a'", "key = 'a'"),
            ("config-error = { at = '/a' }", "config-error = { at = '/b', message = 'no' }", "config-error = { at = '/b' }"),
        ];
        for (expected, got, result) in cases {
            let blessed = blessed(&outcome(expected), &outcome(got));
            assert_eq!(blessed, outcome(result).table(), "{expected} / {got}");
            // Then it passes.
            let again: Outcome = blessed.try_into().expect("an outcome");
            assert_eq!(compare(&again, &outcome(got)), None, "{expected} / {got}");
        }
    }
}
