//! `[helpers]`: services and programs that answer what plugins ask.

use super::units::Span;
use super::{Mistake, Source, within};
use crate::http::{Form, Scheme, Target};
use bytes::Bytes;
use http::Method;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// A helper, as it is used. Keys are squid's options of external_acl_type, with its defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperSettings {
    /// What plugins call it.
    pub name: String,
    /// What answers.
    pub source: HelperSource,
    /// For how long an answer is as good as a new one; default 1 hour.
    pub ttl: Duration,
    /// The same where nothing was found; default as `ttl`.
    pub negative_ttl: Duration,
    /// For how long after that it still serves, while a new one is asked for; default not at all.
    pub grace: Duration,
    /// How long a question may take, and how long one waits for its turn; default 10 s.
    pub timeout: Duration,
    /// Programs, or connections, at a time; default 5.
    pub children: usize,
    /// Questions that a program is asked at a time, each with the number of its channel; 0, the
    /// default: one, without a number.
    pub concurrency: usize,
    /// Questions that wait for their turn; default 1000.
    pub queue_size: usize,
    /// Answers that are kept; default 262,144.
    pub cache_size: u64,
}

/// What answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelperSource {
    /// `url`: an HTTP or HTTPS service.
    Service(ServiceUrl),
    /// `command`: a program and its arguments.
    Program(Vec<String>),
}

/// Where a service is.
#[derive(Debug, Clone)]
pub struct ServiceUrl {
    text: String,
    target: Target,
}

/// `[helpers]` as it is written.
pub(super) type WrittenHelpers = BTreeMap<Spanned<String>, WrittenHelper>;

/// `[helpers.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenHelper {
    url: Option<Spanned<String>>,
    command: Option<Spanned<WrittenCommand>>,
    ttl: Option<Span>,
    negative_ttl: Option<Span>,
    grace: Option<Span>,
    timeout: Option<Spanned<Span>>,
    children: Option<Spanned<usize>>,
    concurrency: Option<Spanned<usize>>,
    queue_size: Option<Spanned<usize>>,
    cache_size: Option<Spanned<usize>>,
}

/// A program and its arguments, or what somebody took for that.
#[derive(Debug)]
enum WrittenCommand {
    Words(Vec<String>),
    /// As a shell would have it, and nobody here.
    Line(String),
}

// === impl HelperSettings ===

impl HelperSettings {
    /// # Errors
    /// The first mistake, with its place.
    pub(super) fn all(
        written: WrittenHelpers,
        source: &Source,
    ) -> Result<Vec<HelperSettings>, Mistake> {
        let helper = |(name, written)| HelperSettings::from_written(name, written, source);
        written.into_iter().map(helper).collect()
    }

    fn from_written(
        name: Spanned<String>,
        written: WrittenHelper,
        source: &Source,
    ) -> Result<HelperSettings, Mistake> {
        super::sets::check(&name, "helper", source)?;
        let number = |written: Option<Spanned<usize>>, default, range: RangeInclusive<usize>| {
            let (least, most) = (range.start(), range.end());
            let message = format!("this is a number from {least} to {most}");
            within(written.as_ref(), default, range, &message, source)
        };
        if let (Some(_), Some(concurrency)) = (&written.url, &written.concurrency) {
            let message = "a service has no channels: each connection carries one question";
            let mistake = source.mistake(concurrency.span(), message);
            return Err(mistake.help("`children` says how many connections there can be"));
        }
        let ttl = written.ttl.map_or(Duration::from_secs(3600), |ttl| ttl.0);
        Ok(HelperSettings {
            ttl,
            negative_ttl: written.negative_ttl.map_or(ttl, |ttl| ttl.0),
            grace: written.grace.map_or(Duration::ZERO, |grace| grace.0),
            timeout: timeout(written.timeout.as_ref(), source)?,
            children: number(written.children, 5, 1..=1000)?,
            concurrency: number(written.concurrency, 0, 0..=10_000)?,
            queue_size: number(written.queue_size, 1000, 0..=1_000_000)?,
            cache_size: number(written.cache_size, 262_144, 0..=100_000_000)? as u64,
            source: match (written.url, written.command) {
                (Some(url), None) => HelperSource::Service(service(&url, source)?),
                (None, Some(command)) => HelperSource::Program(program(command, source)?),
                (Some(_), Some(command)) => {
                    let message = "it is either a service or a program";
                    let mistake = source.mistake(command.span(), message);
                    return Err(mistake.help("leave out `url` or `command`"));
                }
                (None, None) => {
                    let message = format!("what answers for the helper `{}`?", name.get_ref());
                    return Err(source.mistake(name.span(), message).help(
                        "write `url = \"https://...\"` for a service, or `command = \
                         [\"/usr/lib/squid/...\", ...]` for a program",
                    ));
                }
            },
            name: name.into_inner(),
        })
    }
}

fn timeout(written: Option<&Spanned<Span>>, source: &Source) -> Result<Duration, Mistake> {
    let range = Span(Duration::from_nanos(1))..=Span(Duration::MAX);
    let default = Span(Duration::from_secs(10));
    within(
        written,
        default,
        range,
        "`timeout` must be greater than 0",
        source,
    )
    .map(|limit| limit.0)
    .map_err(|mistake| mistake.help("write \"10 s\""))
}

fn service(url: &Spanned<String>, source: &Source) -> Result<ServiceUrl, Mistake> {
    let mistake = |message: String| {
        source
            .mistake(url.span(), message)
            .help("write \"https://host/path\"; the key comes after it, as `?key=...`")
    };
    let text = url.get_ref();
    if text.contains(|c: char| c.is_control() || c == ' ' || c == '#' || !c.is_ascii()) {
        return Err(mistake("not a URL that can be asked".into()));
    }
    let octets = Bytes::copy_from_slice(text.as_bytes());
    let target = match Target::parse(&Method::GET, &octets) {
        Ok(Form::Proxy(target)) => target,
        Ok(Form::Own(_)) => return Err(mistake("not a URL that can be asked".into())),
        Err(error) => return Err(mistake(error.to_string())),
    };
    match target.scheme {
        Scheme::Http | Scheme::Https if target.user_information.is_none() => Ok(ServiceUrl {
            text: text.clone(),
            target,
        }),
        Scheme::Http | Scheme::Https => Err(mistake("a name and password are not sent".into())),
        _ => Err(mistake("only http:// and https:// can be asked".into())),
    }
}

fn program(command: Spanned<WrittenCommand>, source: &Source) -> Result<Vec<String>, Mistake> {
    let span = command.span();
    let words = match command.into_inner() {
        WrittenCommand::Words(words) => words,
        WrittenCommand::Line(line) => {
            let message = "a command is an array: a program and its arguments, each by itself";
            let words: Vec<&str> = line.split_whitespace().collect();
            let help = format!("write `command = {words:?}`");
            return Err(source.mistake(span, message).help(help));
        }
    };
    let Some(file) = words.first() else {
        return Err(source.mistake(span, "a command is a program and its arguments"));
    };
    if words.iter().any(|word| word.contains('\0')) {
        return Err(source.mistake(span, "no argument can have a NUL in it"));
    }
    if !file.starts_with('/') {
        let mistake = source.mistake(
            span,
            format!("`command` needs an absolute path, not `{file}`"),
        );
        return Err(mistake.help("write its path in full, as \"/usr/lib/squid/...\""));
    }
    match Path::new(file).metadata() {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => Ok(words),
        Ok(_) => Err(source
            .mistake(span, format!("{file} is not a program"))
            .help("for a script, `chmod +x` makes it one; or name what runs it: \"/bin/sh\"")),
        Err(error) => Err(source.mistake(span, format!("there is no program {file}: {error}"))),
    }
}

// === impl WrittenCommand ===

impl<'de> Deserialize<'de> for WrittenCommand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = WrittenCommand;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array: a program and its arguments")
            }

            fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<WrittenCommand, E> {
                Ok(WrittenCommand::Line(line.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<WrittenCommand, A::Error> {
                let words = Vec::deserialize(SeqAccessDeserializer::new(words));
                words.map(WrittenCommand::Words)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

// === impl ServiceUrl ===

impl ServiceUrl {
    /// What it says to HTTP.
    pub fn target(&self) -> &Target {
        &self.target
    }
}

impl PartialEq for ServiceUrl {
    fn eq(&self, other: &ServiceUrl) -> bool {
        self.text == other.text
    }
}

impl Eq for ServiceUrl {}

impl std::fmt::Display for HelperSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HelperSource::Service(url) => f.write_str(&url.text),
            HelperSource::Program(command) => f.write_str(&command.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Configuration;

    fn helpers(text: &str) -> Result<Vec<HelperSettings>, String> {
        let source = Source::new("wproxy.toml", text);
        let read = Configuration::from_source(Some(&source), &[]);
        read.map(|read| read.helpers)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_squid_s() {
        let read = helpers(
            "[helpers.a]\nurl = \"https://a.test/x?y=z\"\n\
             [helpers.b]\ncommand = [\"/bin/sh\", \"-c\", \"cat\"]\nttl = \"5 s\"\nconcurrency = 7\n",
        );
        let [service, program] = read.expect("valid").try_into().expect("two");
        let hour = Duration::from_secs(3600);
        assert_eq!((service.ttl, service.negative_ttl), (hour, hour));
        assert_eq!((service.grace, service.children), (Duration::ZERO, 5));
        assert_eq!(service.source.to_string(), "https://a.test/x?y=z");
        assert_eq!(program.negative_ttl, Duration::from_secs(5));
        assert_eq!((program.concurrency, program.cache_size), (7, 262_144));
        assert_eq!(program.source.to_string(), "/bin/sh -c cat");
    }

    #[test]
    fn mistakes_have_a_place_and_a_way_out() {
        for (line, place, message) in [
            ("ttl = \"1 s\"", "1:10", "what answers for the helper `a`?"),
            ("url = \"ftp://a/\"", "2:7", "only http:// and https://"),
            ("url = \"/a\"", "2:7", "not a URL that can be asked"),
            (
                "url = \"http://a b/\"",
                "2:7",
                "not a URL that can be asked",
            ),
            (
                "url = \"http://u:p@a/\"",
                "2:7",
                "a name and password are not sent",
            ),
            (
                "command = \"/usr/lib/squid/ext_file_userip_acl  -f /x\"",
                "2:11",
                "help: write `command = [\"/usr/lib/squid/ext_file_userip_acl\", \"-f\", \"/x\"]`",
            ),
            (
                "command = \"/bin/sh\"",
                "2:11",
                "a command is an array: a program and its arguments, each by itself",
            ),
            (
                "command = 7",
                "2:11",
                "expected an array: a program and its arguments",
            ),
            ("command = [\"/bin/sh\", 7]", "2:23", "expected a string"),
            ("command = []", "2:11", "a program and its arguments"),
            ("command = [\"sh\"]", "2:11", "write its path in full"),
            (
                "command = [\"/no/such\"]",
                "2:11",
                "there is no program /no/such",
            ),
            (
                "command = [\"/etc/passwd\"]",
                "2:11",
                "/etc/passwd is not a program",
            ),
            ("command = [\"/etc\"]", "2:11", "not a program"),
            (
                "command = [\"/bin/sh\"]\nurl = \"http://a/\"",
                "2:11",
                "leave out `url` or `command`",
            ),
            (
                "url = \"http://a/\"\nconcurrency = 1",
                "3:15",
                "a service has no channels",
            ),
            (
                "url = \"http://a/\"\nchildren = 0",
                "3:12",
                "a number from 1 to 1000",
            ),
            (
                "url = \"http://a/\"\ntimeout = \"0 s\"",
                "3:11",
                "`timeout` must be greater than 0",
            ),
            (
                "url = \"http://a/\"\ntimout = \"1 s\"",
                "3:1",
                "did you mean `timeout`?",
            ),
        ] {
            let error = helpers(&format!("[helpers.a]\n{line}\n")).expect_err(line);
            assert!(error.contains(message), "{line}: {error}");
            assert!(
                error.contains(&format!("wproxy.toml:{place}")),
                "{line}: {error}"
            );
        }
        let error = helpers("[helpers.\"a b\"]\nurl = \"http://a/\"\n").expect_err("a space");
        assert!(error.contains("not a helper's name"), "{error}");
    }
}
