//! `cache ls`, `cache purge`, `cache stats`.

use super::answer::{Answer, Refusal};
use crate::app::App;
use crate::cache::Listed;
use crate::http::{Form, Target};
use crate::log::Code;
use bytes::Bytes;
use http::Method;
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::time::SystemTime;

/// What is to be listed: everything, unless something stands here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheLs {
    /// What a URI begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What is found in a URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// How many at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// What is to go: one of the three.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CachePurge {
    /// What is stored for these, all variants.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Every URI in which this is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// All of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

/// A stored response.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<'a> {
    /// `memory`
    pub tier: Cow<'a, str>,
    /// Its status.
    pub status: u16,
    /// Octets of its body.
    pub size: u64,
    /// Seconds.
    pub age: u64,
    /// Seconds for which it is still fresh; 0 or less: it is stale.
    pub ttl: i64,
    /// What it answers.
    pub uri: Cow<'a, str>,
}

/// How many responses have gone.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// That many.
    pub purged: u64,
}

/// How full the cache is, and how useful.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStats {
    /// Where responses are stored.
    pub tiers: Vec<CacheTier>,
    /// Requests that were answered from the cache without the server's help.
    pub hits: u64,
    /// Requests that the server was asked about.
    pub misses: u64,
    /// Responses that were purged.
    pub purged: u64,
    /// All requests by squid's codes.
    pub requests: BTreeMap<Cow<'static, str>, u64>,
}

/// One of the places where responses are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheTier {
    /// `memory`
    pub tier: Cow<'static, str>,
    /// Responses, about.
    pub responses: u64,
    /// Octets that they take.
    pub octets: u64,
    /// Octets that they may take.
    pub budget: u64,
}

pub(super) fn ls(app: &App, what: &CacheLs, answer: &mut Answer) -> Result<(), Refusal> {
    let regex = what.regex.as_deref().map(pattern).transpose()?;
    let prefix = what.prefix.as_deref().unwrap_or_default();
    let wanted = |uri: &str| {
        let found = |regex: &Regex| regex.is_match(uri.as_bytes());
        uri.starts_with(prefix) && regex.as_ref().is_none_or(found)
    };
    let mut left = what.limit.unwrap_or(u64::MAX);
    app.cache.list(SystemTime::now(), &mut |listed| {
        if left == 0 {
            return ControlFlow::Break(());
        }
        if !wanted(&listed.uri) {
            return ControlFlow::Continue(());
        }
        left -= 1;
        answer.line(&Entry::from(&listed))
    });
    Ok(())
}

pub(super) fn purge(app: &App, what: &CachePurge, answer: &mut Answer) -> Result<(), Refusal> {
    let purged = match what {
        CachePurge {
            urls,
            regex: None,
            all: false,
        } if !urls.is_empty() => {
            // All of them are read before the first is purged.
            let uris = urls.iter().map(|url| normalised(url));
            let uris = uris.collect::<Result<HashSet<String>, Refusal>>()?;
            app.cache.purge_all(&|uri| uris.contains(uri))
        }
        CachePurge {
            urls,
            regex: Some(regex),
            all: false,
        } if urls.is_empty() => {
            let regex = pattern(regex)?;
            app.cache.purge_all(&|uri| regex.is_match(uri.as_bytes()))
        }
        CachePurge {
            urls,
            regex: None,
            all: true,
        } if urls.is_empty() => app.cache.purge_all(&|_| true),
        _ => {
            let error = "what is to be purged is not clear";
            let help = "name one of the three: urls, regex, all";
            return Err(Refusal::new(error, help));
        }
    };
    app.metrics.cache_purged.inc_by(purged);
    // Who asked may have gone; it is purged all the same.
    let _ = answer.line(&Purged { purged });
    Ok(())
}

pub(super) fn stats(app: &App, answer: &mut Answer) {
    let counts = counts(app);
    let sum = |counted: fn(Code) -> bool| {
        let counts = counts.iter().filter(|(code, _)| counted(*code));
        counts.map(|(_, requests)| requests).sum()
    };
    let _ = answer.line(&CacheStats {
        tiers: tiers(app),
        hits: sum(Code::is_hit),
        misses: sum(Code::is_miss),
        purged: app.metrics.cache_purged.get(),
        requests: requests(app),
    });
}

pub(super) fn tiers(app: &App) -> Vec<CacheTier> {
    let tiers = app.cache.stats().tiers.into_iter().map(|stats| CacheTier {
        tier: stats.tier.as_str().into(),
        responses: stats.responses,
        octets: stats.octets,
        budget: stats.budget,
    });
    tiers.collect()
}

/// All requests by squid's codes.
pub(super) fn requests(app: &App) -> BTreeMap<Cow<'static, str>, u64> {
    let named = |(code, requests): (Code, u64)| (code.as_str().into(), requests);
    counts(app).map(named).into()
}

fn counts(app: &App) -> [(Code, u64); Code::ALL.len()] {
    Code::ALL.map(|code| (code, app.metrics.requests(code)))
}

/// A URL as the cache knows it.
fn normalised(url: &str) -> Result<String, Refusal> {
    let refusal = |why: &str| Refusal::new(format!("`{url}`: {why}"), "write http://host/path");
    if url
        .bytes()
        .any(|octet| octet == b' ' || octet.is_ascii_control())
    {
        return Err(refusal("no URL has white space in it"));
    }
    match Target::parse(&Method::GET, &Bytes::copy_from_slice(url.as_bytes())) {
        Ok(Form::Proxy(target)) => Ok(target.uri()),
        Ok(Form::Own(_)) => Err(refusal("no host is in it")),
        Err(error) => Err(refusal(&error.to_string())),
    }
}

/// Regular expressions are those of the policy plugins: over octets, found anywhere.
fn pattern(text: &str) -> Result<Regex, Refusal> {
    let built = RegexBuilder::new(text).unicode(false).build();
    built.map_err(|error| {
        // The last line says what is wrong.
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default();
        let reason = reason.trim_start_matches("error: ");
        Refusal::new(
            format!("`{text}` is not a regular expression: {reason}"),
            "what is no letter or digit means something, unless `\\` stands before it; `(?i)` at \
             the beginning ignores case",
        )
    })
}

impl<'a> From<&'a Listed> for Entry<'a> {
    fn from(listed: &'a Listed) -> Entry<'a> {
        let Listed {
            tier,
            status,
            size,
            age,
            ttl,
            ref uri,
        } = *listed;
        Entry {
            tier: tier.as_str().into(),
            status,
            size,
            age,
            ttl,
            uri: (**uri).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_as_the_cache_knows_them() {
        for (url, expected) in [
            ("http://A.example.:80/x#y", Ok("http://a.example/x")),
            ("HTTP://a:8080", Ok("http://a:8080/")),
            ("https://a:443/?q", Ok("https://a/?q")),
            ("http://user:secret@a/", Ok("http://a/")),
            ("http://a/\u{e9}", Ok("http://a/%C3%A9")),
            ("a/b", Err("`a/b`: it is neither http://host/path")),
            ("/b", Err("`/b`: no host is in it")),
            (
                "http://a/b c",
                Err("`http://a/b c`: no URL has white space"),
            ),
            ("http://127.1/", Err("its host is a number")),
        ] {
            match (normalised(url), expected) {
                (Ok(uri), Ok(expected)) => assert_eq!(uri, expected, "{url}"),
                (Err(refusal), Err(expected)) => {
                    assert!(refusal.to_string().contains(expected), "{refusal}");
                }
                (found, _) => panic!("{url}: {found:?}"),
            }
        }
    }

    #[test]
    fn regular_expressions_are_found_anywhere() {
        for (regex, uri, expected) in [
            (r"\.rpm$", "http://a/x.rpm", true),
            (r"\.rpm$", "http://a/x.rpms", false),
            (r"(?i)X\.RPM", "http://a/x.rpm", true),
            ("^a", "http://a/", false),
        ] {
            let found = pattern(regex).expect("valid").is_match(uri.as_bytes());
            assert_eq!(found, expected, "{regex} {uri}");
        }
        let refusal = pattern("a(b")
            .expect_err("no parenthesis closes")
            .to_string();
        let expected = "`a(b` is not a regular expression: unclosed group";
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}
