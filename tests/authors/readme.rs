//! `plugins/README.md`: its commands print what it says, and its sources are the real ones.

use super::{build, plugin, root, workshop};
use crate::support::{Proxy, wproxy};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A reader's terminal: one folder, one proxy.
struct Terminal {
    folder: PathBuf,
    proxy: Option<Proxy>,
}

/// The fenced blocks of that language in the page, each as its lines.
fn blocks(language: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("plugins/README.md")).expect("a page");
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("```").filter(|found| !found.is_empty()) {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            if found == language {
                blocks.push(block.into_iter().map(str::to_owned).collect());
            }
        }
    }
    blocks
}

#[test]
fn its_commands_print_what_it_says() {
    let mut terminal = Terminal {
        folder: workshop("readme"),
        proxy: None,
    };
    let mut count = 0;
    for block in blocks("console") {
        let mut rest = &block[..];
        while let Some((command, after)) = rest.split_first() {
            let command = command.strip_prefix("$ ").expect("a command");
            let end = after.iter().position(|line| line.starts_with("$ "));
            let (expected, after) = after.split_at(end.unwrap_or(after.len()));
            let said = terminal.run(command);
            let said: Vec<_> = said.lines().map(str::trim_end).collect();
            let expected: Vec<_> = expected.iter().map(String::as_str).collect();
            assert!(
                matches(&expected, &said),
                "$ {command}\n{}\n--- but the page has\n{}",
                said.join("\n"),
                expected.join("\n")
            );
            rest = after;
            count += 1;
        }
    }
    assert!(count > 10, "{count} commands");
}

/// Whether that was said: `...` stands for any part of a line, on a line of its own for any lines.
fn matches(expected: &[&str], said: &[&str]) -> bool {
    match expected.split_first() {
        None => said.is_empty(),
        Some((&"...", after)) => (0..=said.len()).any(|skipped| matches(after, &said[skipped..])),
        Some((line, after)) => said
            .split_first()
            .is_some_and(|(got, said)| is_like(line, got) && matches(after, said)),
    }
}

fn is_like(expected: &str, got: &str) -> bool {
    match expected.split_once("...") {
        None => got == expected,
        Some((begin, after)) => got.strip_prefix(begin).is_some_and(|got| {
            let mut rests = (0..=got.len()).filter_map(|skipped| got.get(skipped..));
            rests.any(|rest| is_like(after, rest))
        }),
    }
}

#[test]
fn what_stands_for_something_else() {
    #[rustfmt::skip]
    let cases: [(&[&str], &[&str], bool); 8] = [
        (&["a"], &["a"], true),
        (&["a"], &["b"], false),
        (&["a"], &["a", "b"], false),
        (&["a ... c"], &["a b c"], true),
        (&["a ... c"], &["a c"], false),
        (&["...b...d"], &["abcd"], true),
        (&["...", "c"], &["a", "b", "c"], true),
        (&["...", "c"], &["a", "b"], false),
    ];
    for (expected, said, same) in cases {
        assert_eq!(matches(expected, said), same, "{expected:?} {said:?}");
    }
}

/// Each is cut out of a project that `wproxy plugin new` makes, and that other tests build.
#[test]
fn its_sources_are_those_of_the_projects() {
    let folder = workshop("readme-sources");
    for (block, language, source) in [
        ("rust", "rust", "src/lib.rs"),
        ("c", "c", "plugin.c"),
        ("js", "javascript", "plugin.js"),
        ("python", "python", "plugin.py"),
        ("wit", "c", "wit/plugin.wit"),
    ] {
        let project = folder.join(language);
        if !project.exists() {
            super::good(plugin(&["new", "--lang", language, language], &folder));
        }
        let source = fs::read_to_string(project.join(source)).unwrap();
        let blocks = blocks(block);
        assert!(!blocks.is_empty(), "{block}");
        for lines in blocks {
            let text = lines.join("\n");
            assert!(source.contains(&text), "{language} has not:\n{text}");
        }
    }
}

// === impl Terminal ===

impl Terminal {
    /// What the command prints, stderr first.
    fn run(&mut self, command: &str) -> String {
        let words: Vec<_> = command.split_whitespace().collect();
        match words[..] {
            ["cd", folder] => {
                self.folder = self.folder.join(folder).canonicalize().expect("there");
                String::new()
            }
            ["wproxy", "plugin", "build"] => build(&self.folder),
            ["wproxy", "plugin", ref arguments @ ..] => said(plugin(arguments, &self.folder)),
            ["wproxy", "run", "--plugins", folder, "&"] => {
                let plugins = self.folder.join(folder);
                super::compile(&plugins, "");
                let proxy = self.proxy.insert(Proxy::with_plugins("", &plugins));
                format!("listening at {}\n", proxy.address)
            }
            ["wproxy", ref arguments @ ..] => {
                let mut command = wproxy();
                said(self.output(command.args(arguments)))
            }
            _ => self.shell(command),
        }
    }

    /// The proxy of the page listens at the usual port.
    fn shell(&self, command: &str) -> String {
        let command = match &self.proxy {
            Some(proxy) => command.replace("127.0.0.1:8080", &proxy.address.to_string()),
            None => command.to_owned(),
        };
        said(self.output(Command::new("sh").args(["-c", &command])))
    }

    fn output(&self, command: &mut Command) -> Output {
        let folder: &Path = &self.folder;
        command.current_dir(folder).output().expect("it runs")
    }
}

fn said(output: Output) -> String {
    let octets = [output.stderr, output.stdout].concat();
    String::from_utf8(octets).expect("UTF-8")
}
