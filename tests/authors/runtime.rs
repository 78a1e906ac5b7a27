//! The runtime that plugins in C begin with, beside serde_json: both read the same.

use super::{root, workshop};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::process::Command;

/// Values of all kinds; strings with what has to be escaped, and beyond U+FFFF.
fn value() -> impl Strategy<Value = Value> {
    let text = "[a-c\"\\\\/\n\t\u{1}\u{e9}\u{20ac}\u{1f600} ]{0,6}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-9i64..9).prop_map(Value::from),
        any::<f32>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let members = prop::collection::vec((text, inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            members.prop_map(|members| Value::from(Map::from_iter(members))),
        ]
    })
}

/// What `runtime/walk.c` prints.
fn walk(at: &str, value: &Value, lines: &mut String) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                walk(&format!("{at}/{key}"), value, lines);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                walk(&format!("{at}/{index}"), value, lines);
            }
        }
        Value::String(text) if !text.contains('\0') => {
            lines.push_str(&format!("{at} \"{text}\"\n"));
        }
        Value::Number(number)
            if number.is_i64() && number.to_string().trim_start_matches('-').len() <= 18 =>
        {
            lines.push_str(&format!("{at} {number}\n"));
        }
        _ => lines.push_str(&format!("{at} something else\n")),
    }
}

/// All but ASCII as `\u....`, as other writers of JSON have it.
fn escaped(json: &str) -> String {
    let mut escaped = String::new();
    for c in json.chars() {
        match c.is_ascii() {
            true => escaped.push(c),
            false => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped
}

#[test]
fn it_reads_json_as_serde_json_does() {
    let runtime = root().join("host/cli/plugin/templates/c/runtime");
    let folder = workshop("runtime");
    let mut clang = Command::new("clang");
    clang.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-o"]);
    clang.arg(folder.join("walk")).arg("-iquote").arg(&runtime);
    clang.arg(root().join("tests/authors/runtime/walk.c"));
    clang.arg(runtime.join("json.c"));
    assert!(clang.status().expect("clang runs").success());

    let mut runner = TestRunner::deterministic();
    let mut values = vec![
        json!([]),
        json!({}),
        json!(""),
        json!("\0"),
        json!({"a": [[], {}, [1]]}),
    ];
    values.extend((0..500).map(|_| value().new_tree(&mut runner).unwrap().current()));
    let values = Value::from(values);
    let mut expected = String::new();
    walk("", &values, &mut expected);
    for (name, text) in [
        ("compact", values.to_string()),
        ("pretty", serde_json::to_string_pretty(&values).unwrap()),
        ("escaped", escaped(&values.to_string())),
    ] {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        let mut walk = Command::new(folder.join("walk"));
        let output = walk.stdin(File::open(file).unwrap()).output().unwrap();
        let got = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success(), "{name}");
        for (line, (got, expected)) in got.lines().zip(expected.lines()).enumerate() {
            assert_eq!(got, expected, "{name}, line {line}");
        }
        assert_eq!(got.len(), expected.len(), "{name}");
    }
}
