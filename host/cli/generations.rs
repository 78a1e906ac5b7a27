//! `wproxy generations`

use super::running::{self, Proxy};
use super::text::short_digest;
use crate::control::{GenerationEntry, PluginEntry, Request};
use std::io::Write as _;
use std::process::ExitCode;

/// What stands over entries.
const HEAD: &str = "GENERATION  STATE   SINCE                 REQUESTS  PLUGINS";

pub(super) fn generations(proxy: &Proxy) -> anyhow::Result<ExitCode> {
    running::print(|out| {
        let mut head = Some(HEAD);
        proxy.ask(
            &Request::Generations {},
            |generation: GenerationEntry, line| {
                if proxy.json {
                    return writeln!(out, "{line}");
                }
                if let Some(head) = head.take() {
                    writeln!(out, "{head}")?;
                }
                writeln!(out, "{}", entry(&generation))
            },
        )?;
        Ok(ExitCode::SUCCESS)
    })
}

/// A line under [`HEAD`].
fn entry(entry: &GenerationEntry) -> String {
    let GenerationEntry {
        generation,
        serves,
        since,
        requests,
        plugins,
    } = entry;
    let state = if *serves { "serves" } else { "pinned" };
    let named = |plugin: &PluginEntry| format!("{} {}", plugin.name, short_digest(&plugin.digest));
    let plugins = plugins.iter().map(named).collect::<Vec<_>>().join(", ");
    format!("{generation:10}  {state}  {since:20}  {requests:8}  {plugins}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_stand_under_their_heads() {
        let plugin = |name: &str, digit: &str| PluginEntry {
            name: name.to_owned(),
            digest: format!("sha256:{}", digit.repeat(64)),
        };
        let mut generation = GenerationEntry {
            generation: 12,
            serves: true,
            since: "2026-11-24T21:50:03Z".into(),
            requests: 0,
            plugins: vec![plugin("access-policy", "a"), plugin("quota", "1")],
        };
        let serves = entry(&generation);
        (generation.serves, generation.requests) = (false, 70);
        assert_eq!(
            [HEAD, &serves, &entry(&generation)].join("\n"),
            "GENERATION  STATE   SINCE                 REQUESTS  PLUGINS\n\
             \x20       12  serves  2026-11-24T21:50:03Z         0  access-policy aaaaaaaaaaaa, quota 111111111111\n\
             \x20       12  pinned  2026-11-24T21:50:03Z        70  access-policy aaaaaaaaaaaa, quota 111111111111"
        );
    }
}
