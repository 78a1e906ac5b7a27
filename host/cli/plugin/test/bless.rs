//! Writes into a file of cases what they got. Only the values that are wrong are written anew:
//! comments, order and layout of all else stay.

use super::compare::in_order;
use crate::config::{Mistake, Source};
use std::ops::Range;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// How a table is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// `{ verdict = "deny" }`
    Inline,
    /// `[expect.access]`
    Header,
    /// `access.verdict = "deny"`, or what `[expect.access]` says of `expect`.
    Implied,
}

/// Changes to a text, each a range and what stands there then.
struct Editor<'a> {
    text: &'a str,
    edits: Vec<(Range<usize>, String)>,
}

/// Columns that a line may have; a longer list is written an element a line.
const WIDTH: usize = 100;

/// The text with what these cases expect now: for each its index, none where it is the file.
///
/// # Errors
/// The file is none any more.
pub(super) fn bless(source: &Source, cases: &[(Option<usize>, Table)]) -> Result<String, Mistake> {
    let root = source.table()?;
    let mut editor = Editor {
        text: source.text(),
        edits: Vec::new(),
    };
    for (index, expect) in cases {
        let case = match index {
            None => Some(&root),
            Some(index) => root.get("case").and_then(|cases| {
                cases
                    .get_ref()
                    .as_array()?
                    .get(*index)?
                    .get_ref()
                    .as_table()
            }),
        };
        let Some(case) = case else { continue };
        match case.get_key_value("expect") {
            Some((key, value)) => editor.change(key.span(), value, &Value::Table(expect.clone())),
            None => editor.append_section(case, index.is_some(), expect),
        }
    }
    Ok(editor.finish())
}

// === impl Editor ===

impl Editor<'_> {
    fn finish(self) -> String {
        let mut text = self.text.to_owned();
        let mut edits = self.edits;
        // From the end, so that places stay; what goes in at the start of what goes out, last.
        edits.sort_by_key(|(range, _)| std::cmp::Reverse((range.start, range.end)));
        for (range, new) in edits {
            text.replace_range(range, &new);
        }
        text
    }

    /// A value that is written already.
    fn change(&mut self, key: Range<usize>, old: &Spanned<DeValue<'_>>, new: &Value) {
        match (old.get_ref(), new) {
            (DeValue::Table(table), Value::Table(new)) if self.form(old) != Form::Inline => {
                self.change_table(key, old, table, new);
            }
            (old_value, _) if same(old_value, new) => {}
            _ => {
                let column = key.end - self.line_start(key.start) + " = ".len();
                self.edits.push((old.span(), rendered(new, column)));
            }
        }
    }

    fn change_table(
        &mut self,
        key: Range<usize>,
        old: &Spanned<DeValue<'_>>,
        table: &DeTable<'_>,
        new: &Table,
    ) {
        for (inner, value) in table {
            match new.get(inner.get_ref().as_ref()) {
                Some(new) => self.change(inner.span(), value, new),
                None => self.remove(inner.span(), value),
            }
        }
        let missing = in_order(new).into_iter();
        let mut missing = missing.filter(|name| table.get(*name).is_none()).peekable();
        if missing.peek().is_none() {
            return;
        }
        let line = self.line_start(key.start);
        let first = self.text[line..].trim_start();
        let (place, prefix, mut lines) = match self.form(old) {
            // Below a header.
            Form::Header | Form::Inline => (self.line_end(old.span().end), "", String::new()),
            // Above `[expect.access]`, which would take them in.
            Form::Implied if first.starts_with('[') => {
                let path = self.text[line..key.end]
                    .trim_start()
                    .trim_start_matches('[');
                (line, "", format!("[{path}]\n"))
            }
            // Beside `access.verdict = "deny"`.
            Form::Implied => (line, self.text[line..key.end].trim_start(), String::new()),
        };
        if place > 0 && !self.text[..place].ends_with('\n') {
            lines.insert(0, '\n');
        }
        for name in missing {
            let path = match prefix {
                "" => name.to_owned(),
                prefix => format!("{prefix}.{name}"),
            };
            lines.push_str(&entry(&path, &new[name]));
        }
        self.edits.push((place..place, lines));
    }

    /// Whole lines.
    fn remove(&mut self, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
        if let (DeValue::Table(table), Form::Header | Form::Implied) =
            (value.get_ref(), self.form(value))
        {
            for (inner, value) in table {
                self.remove(inner.span(), value);
            }
            if self.form(value) == Form::Implied {
                return;
            }
        }
        let start = self.line_start(key.start.min(value.span().start));
        let end = self.line_end(value.span().end);
        self.edits.push((start..end, String::new()));
    }

    /// `[expect]`, below all else of the case.
    fn append_section(&mut self, case: &DeTable<'_>, one_of_many: bool, expect: &Table) {
        let (end, header) = match one_of_many {
            true => (self.line_end(end(case)), "[case.expect]"),
            false => (self.text.len(), "[expect]"),
        };
        let mut section = String::new();
        if !self.text[..end].ends_with('\n') {
            section.push('\n');
        }
        section.push_str(&format!("\n{header}\n"));
        for name in in_order(expect) {
            section.push_str(&entry(name, &expect[name]));
        }
        self.edits.push((end..end, section));
    }

    fn form(&self, value: &Spanned<DeValue<'_>>) -> Form {
        match self.text.as_bytes().get(value.span().start) {
            Some(b'{') => Form::Inline,
            Some(b'[') => Form::Header,
            _ => Form::Implied,
        }
    }

    fn line_start(&self, place: usize) -> usize {
        self.text[..place].rfind('\n').map_or(0, |end| end + 1)
    }

    /// Behind the end of its line.
    fn line_end(&self, place: usize) -> usize {
        let end = self.text[place..].find('\n');
        end.map_or(self.text.len(), |end| place + end + 1)
    }
}

/// The end of the last thing in a table.
fn end(table: &DeTable<'_>) -> usize {
    let ends = table.iter().map(|(key, value)| {
        let own = key.span().end.max(value.span().end);
        match value.get_ref() {
            DeValue::Table(table) => own.max(end(table)),
            _ => own,
        }
    });
    ends.max().unwrap_or_default()
}

/// Whether the text says that already.
fn same(old: &DeValue<'_>, new: &Value) -> bool {
    match (old, new) {
        (DeValue::String(old), Value::String(new)) => old == new,
        (DeValue::Integer(old), Value::Integer(new)) => {
            i64::from_str_radix(old.as_str(), old.radix()) == Ok(*new)
        }
        (DeValue::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(o, n)| same(o.get_ref(), n))
        }
        (DeValue::Table(old), Value::Table(new)) => {
            let has = |(key, value): (&String, &Value)| {
                old.get(key.as_str())
                    .is_some_and(|old| same(old.get_ref(), value))
            };
            old.len() == new.len() && new.iter().all(has)
        }
        _ => false,
    }
}

/// `key = value`, and the end of the line.
fn entry(key: &str, value: &Value) -> String {
    format!("{key} = {}\n", rendered(value, key.len() + " = ".len()))
}

/// In one line that begins at that column, or, a list, in more.
fn rendered(value: &Value, column: usize) -> String {
    match value {
        Value::Table(table) => {
            let keys = in_order(table).into_iter();
            let entries: Vec<String> = keys
                .map(|key| format!("{key} = {}", rendered(&table[key], 0)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(ToString::to_string).collect();
            let line = format!("[{}]", items.join(", "));
            match column + line.len() > WIDTH {
                true => format!("[\n  {},\n]", items.join(",\n  ")),
                false => line,
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::CaseFile;
    use super::super::compare;
    use super::super::outcome::Outcome;
    use super::*;
    use proptest::prelude::*;

    /// Ways to write down what is expected, or not yet.
    const LAYOUTS: [&str; 8] = [
        "[request]\nurl = \"http://a/\"",
        "[request]\nurl = \"http://a/\"\n[expect]",
        "[expect] # why\nkey = \"a\"\n[request]\nurl = \"http://a/\"\n",
        "expect.failure = \"x\"\nexpect.access.status = 404 # why\n[request]\nurl = \"http://a/\"\n",
        "[expect.access]\nrule = \"x\"\n\n[expect.config-error]\nat = \"/a\"\n\n[request]\nurl = \"http://a/\"\n",
        "request.url = \"http://a/\"\n[[case]]\nname = \"a\"\n[[case]]\nname = \"b\"\n",
        "request.url = \"http://a/\"\n[[case]]\nname = \"a\"\nexpect = { key = \"a\" } # why\n[[case]]\nname = \"b\"\nexpect = {}",
        "request.url = \"http://a/\"\n[[case]]\nname = \"a\"\n[case.expect]\nrequest-fields = [\n  \"a: b\", # why\n]\n[[case]]\nname = \"b\"\n[case.expect.freshness]\nmin = 1\n",
    ];

    fn read(text: &str) -> CaseFile {
        let read = CaseFile::from_source(Source::new("a.toml", text), "a");
        read.unwrap_or_else(|mistake| panic!("{mistake}\nin:\n{text}"))
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        let text = || "[ -~ü\n\\\\'\"]{0,40}";
        let access = (text(), 400u16..500).prop_map(|(rule, status)| {
            let mut table = Table::new();
            table.insert("verdict".into(), "deny".into());
            table.insert("rule".into(), rule.into());
            table.insert("status".into(), Value::Integer(status.into()));
            Value::Table(table)
        });
        let lines = prop::collection::vec(text().prop_map(Value::String), 0..8);
        let key = text().prop_map(Value::String);
        let named = (
            prop::option::of(access),
            prop::option::of(lines.prop_map(Value::Array)),
            prop::option::of(key.clone()),
            prop::option::of(key),
        );
        let named = named.prop_filter("it got something", |(access, lines, key, failure)| {
            access.is_some() || lines.is_some() || key.is_some() || failure.is_some()
        });
        named.prop_map(|(access, lines, key, failure)| {
            let mut table = Table::new();
            for (name, value) in [
                ("access", access),
                ("request-fields", lines),
                ("key", key),
                ("failure", failure),
            ] {
                if let Some(value) = value {
                    table.insert(name.into(), value);
                }
            }
            table.try_into().expect("an outcome")
        })
    }

    proptest! {
        /// However a case is written and whatever it got: blessed, it expects that, and what
        /// people wrote beside it is still there.
        #[test]
        fn a_blessed_case_expects_what_it_got(
            layout in 0..LAYOUTS.len(),
            got in prop::collection::vec(outcome(), 2),
        ) {
            let text = LAYOUTS[layout];
            let file = read(text);
            let cases = file.cases.iter().zip(&got);
            let blessed: Vec<(Option<usize>, Table)> = cases
                .map(|(case, got)| (case.index, compare::blessed(&case.expect, got)))
                .collect();
            let written = bless(&file.source, &blessed).expect("it is TOML");
            let again = read(&written);
            for (case, (_, table)) in again.cases.iter().zip(&blessed) {
                prop_assert_eq!(&case.expect.table(), table, "{}", written);
            }
            if !text.contains("\"a: b\", # why") && !text.contains("= 404 # why") {
                prop_assert_eq!(text.matches("# why").count(), written.matches("# why").count());
            }
            // What is right is left alone.
            let blessed: Vec<(Option<usize>, Table)> = again
                .cases
                .iter()
                .map(|case| (case.index, case.expect.table()))
                .collect();
            prop_assert_eq!(bless(&again.source, &blessed).expect("it is TOML"), written);
        }
    }
}
