//! What comes of a case: what its file expects, and what the plugin answers, in the same words.

use crate::helper::Question;
use crate::http::Fields;
use crate::plugin::{
    self, Complaint, Denial, Hook, Measure, Meter, Overrule, Registered, Rule, Watch,
};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::Ordering;

/// The `[expect]` of a case. Of what is expected, only what is named is compared.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Outcome {
    /// Hook `access`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access: Option<Access>,
    /// Hook `request-headers`: every line that it leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_fields: Option<Vec<String>>,
    /// Hook `cache-key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Key>,
    /// Hook `cache-rules`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) freshness: Option<Freshness>,
    /// Hook `response-headers`: every line that it leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_fields: Option<Vec<String>>,
    /// Hook `request-body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_body: Option<Body>,
    /// Hook `response-body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_body: Option<Body>,
    /// All that it has counted and measured by then: `denied{client="192.0.2.1"} 2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metrics: Option<Vec<String>>,
    /// The plugin refuses the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) config_error: Option<ConfigError>,
    /// A hook fails; what is expected is a part of the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Access {
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// In the configuration's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<String>,
    /// Whom it wants to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    helper: Option<String>,
    /// And what.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Pass,
    Allow,
    Deny,
    Resolve,
    Lookup,
    Authenticate,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Freshness {
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Storing>,
    /// In the configuration's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u32>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overrides: Option<BTreeSet<Overrule>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Storing {
    Pass,
    NeverStore,
    Refresh,
}

/// `"a key"`, or `{ verdict = "pass" }`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Key {
    Named(String),
    Unnamed(Unnamed),
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unnamed {
    verdict: Keying,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Keying {
    Pass,
    Never,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Passing>,
    /// What the hook wants of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    interest: Option<BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// In the configuration's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Passing {
    /// The hook wants nothing of it.
    Unseen,
    Pass,
    Stop,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigError {
    /// JSON Pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

// === impl Outcome ===

impl Outcome {
    /// The hooks whose answers are named.
    pub(super) fn hooks(&self) -> Vec<Hook> {
        let named = |hook: &Hook| match hook {
            Hook::Access => self.access.is_some(),
            Hook::RequestHeaders => self.request_fields.is_some(),
            Hook::ResponseHeaders => self.response_fields.is_some(),
            Hook::CacheRules => self.freshness.is_some(),
            Hook::CacheKey => self.key.is_some(),
            Hook::RequestBody => self.request_body.is_some(),
            Hook::ResponseBody => self.response_body.is_some(),
            // It has no answer: that it is told something is what calls it.
            Hook::Observer => false,
        };
        Hook::ALL.into_iter().filter(named).collect()
    }

    /// Whether it names nothing that could be otherwise.
    pub(super) fn is_empty(&self) -> bool {
        let is_empty = |value: &toml::Value| value.as_table().is_some_and(toml::Table::is_empty);
        self.table().values().all(is_empty)
    }

    /// As a table of the case's file.
    pub(super) fn table(&self) -> toml::Table {
        // Strings, small numbers and lists of them, none of which TOML refuses.
        toml::Table::try_from(self).unwrap_or_default()
    }
}

/// The key by which a case names that hook's answer.
pub(super) fn key_of(hook: Hook) -> &'static str {
    match hook {
        Hook::Access => "access",
        Hook::RequestHeaders => "request-fields",
        Hook::ResponseHeaders => "response-fields",
        Hook::CacheRules => "freshness",
        Hook::CacheKey => "key",
        Hook::RequestBody => "request-body",
        Hook::ResponseBody => "response-body",
        Hook::Observer => "[[completed]]",
    }
}

/// Every line, `Name: value`.
pub(super) fn lines(fields: &Fields) -> Vec<String> {
    let text = String::from_utf8_lossy;
    let line =
        |field: &crate::http::Field| format!("{}: {}", text(&field.name), text(&field.value));
    fields.iter().map(line).collect()
}

/// What a plugin has counted and measured, in alphabetic order.
pub(super) fn metrics(meter: &Meter) -> Vec<String> {
    let line = |Registered { key, measure }: Registered| {
        let labels = key.labels.iter();
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        match measure {
            Measure::Counter(count) => {
                format!("{}{labels} {}", key.name, count.load(Ordering::Relaxed))
            }
            Measure::Histogram(histogram) => {
                let count: u64 = histogram.buckets().iter().map(|(_, count)| count).sum();
                let sum = histogram.sum();
                format!("{}{labels} {count} with the sum {sum}", key.name)
            }
        }
    };
    meter.own().into_iter().map(line).collect()
}

fn words(rule: &Rule) -> Option<String> {
    Some(rule.text.to_string())
}

impl From<plugin::Verdict> for Access {
    fn from(verdict: plugin::Verdict) -> Self {
        let only = |verdict| Access {
            verdict: Some(verdict),
            ..Access::default()
        };
        match verdict {
            plugin::Verdict::Pass => only(Verdict::Pass),
            plugin::Verdict::Resolve => only(Verdict::Resolve),
            plugin::Verdict::Lookup(Question { helper, key }) => Access {
                helper: Some(helper),
                key: Some(key),
                ..only(Verdict::Lookup)
            },
            plugin::Verdict::Allow(rule) => Access {
                rule: words(&rule),
                ..only(Verdict::Allow)
            },
            plugin::Verdict::Deny(Denial {
                rule,
                status,
                message,
            }) => Access {
                status: Some(status),
                rule: words(&rule),
                message,
                ..only(Verdict::Deny)
            },
            plugin::Verdict::Authenticate(challenge) => Access {
                challenge: Some(challenge),
                ..only(Verdict::Authenticate)
            },
        }
    }
}

impl From<plugin::Freshness> for Freshness {
    fn from(freshness: plugin::Freshness) -> Self {
        match freshness {
            plugin::Freshness::Pass => Freshness {
                verdict: Some(Storing::Pass),
                ..Freshness::default()
            },
            plugin::Freshness::NeverStore(rule) => Freshness {
                verdict: Some(Storing::NeverStore),
                rule: words(&rule),
                ..Freshness::default()
            },
            plugin::Freshness::Refresh(refresh) => Freshness {
                verdict: Some(Storing::Refresh),
                rule: words(&refresh.rule),
                min: Some(refresh.min),
                percent: Some(refresh.percent),
                max: Some(refresh.max),
                overrides: Some(refresh.overrules),
            },
        }
    }
}

impl From<plugin::Key> for Key {
    fn from(key: plugin::Key) -> Self {
        let unnamed = |verdict| Key::Unnamed(Unnamed { verdict });
        match key {
            plugin::Key::Named(name) => Key::Named(name.to_string()),
            plugin::Key::Pass => unnamed(Keying::Pass),
            plugin::Key::Never => unnamed(Keying::Never),
        }
    }
}

impl Body {
    /// Of one that the hook wants nothing of.
    pub(super) fn unseen() -> Body {
        Body {
            verdict: Some(Passing::Unseen),
            ..Body::default()
        }
    }

    /// Of one that is looked into.
    pub(super) fn seen(watch: &Watch) -> Body {
        Body {
            interest: Some(watch.interest().map(Into::into).collect()),
            ..Body::default()
        }
    }

    /// That goes on in its place.
    pub(super) fn passed(self, octets: &[u8]) -> Body {
        Body {
            verdict: Some(Passing::Pass),
            body: Some(String::from_utf8_lossy(octets).into_owned()),
            ..self
        }
    }

    pub(super) fn stopped(self, denial: Denial) -> Body {
        Body {
            verdict: Some(Passing::Stop),
            status: Some(denial.status),
            rule: words(&denial.rule),
            message: denial.message,
            ..self
        }
    }
}

impl From<Complaint> for ConfigError {
    fn from(Complaint { at, message }: Complaint) -> Self {
        ConfigError {
            at: Some(at),
            message: Some(message),
        }
    }
}

/// Not serde's `untagged`, whose errors say nothing.
impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key, or { verdict = \"pass\" } or { verdict = \"never\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
                Ok(Key::Named(text.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Key, A::Error> {
                Unnamed::deserialize(MapAccessDeserializer::new(map)).map(Key::Unnamed)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
