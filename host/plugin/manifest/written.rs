//! `plugin.toml` as it is written, and its values understood.

use super::{Directory, FailurePolicy, Grants};
use crate::config::{Mistake, Size, Source, Span, WrittenSets, within};
use crate::plugin::digest::Digest;
use crate::plugin::engine;
use crate::plugin::kv::Bounds;
use crate::plugin::limits::Limits;
use crate::plugin::watch::{Beyond, Bounds as BodyBounds};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) name: Spanned<String>,
    pub(super) component: Spanned<String>,
    #[serde(default)]
    pub(super) digest: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) order: Option<i64>,
    #[serde(default)]
    pub(super) limits: WrittenLimits,
    #[serde(default)]
    pub(super) grants: WrittenGrants,
    #[serde(default)]
    pub(super) failure: WrittenFailure,
    #[serde(default)]
    pub(super) sets: WrittenSets,
    #[serde(default, rename = "config")]
    _config: toml::Table,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenLimits {
    time: Option<Spanned<Span>>,
    memory: Option<Spanned<Size>>,
    table_elements: Option<Spanned<usize>>,
    stack: Option<Spanned<Size>>,
    fields: Option<Spanned<Size>>,
    log_line: Option<Spanned<Size>>,
    log_lines: Option<Spanned<usize>>,
    log_rate: Option<u32>,
    handles: Option<Spanned<usize>>,
    series: Option<Spanned<usize>>,
    kv_size: Option<Spanned<Size>>,
    kv_entries: Option<Spanned<usize>>,
    body: Option<Spanned<Size>>,
    body_beyond: Option<Beyond>,
    body_time: Option<Spanned<Span>>,
    held: Option<Spanned<Size>>,
    held_beyond: Option<Beyond>,
    bodies: Option<Spanned<usize>>,
    calls: Option<Spanned<u64>>,
    batch: Option<Spanned<usize>>,
    queue: Option<Spanned<usize>>,
    failures: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenGrants {
    clock: bool,
    random: bool,
    metrics: bool,
    kv: bool,
    directories: BTreeMap<Spanned<String>, Spanned<PathBuf>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct WrittenFailure {
    pub(super) access: FailurePolicy,
    pub(super) request_headers: FailurePolicy,
    pub(super) response_headers: FailurePolicy,
    pub(super) cache_rules: FailurePolicy,
    pub(super) cache_key: FailurePolicy,
    pub(super) request_body: FailurePolicy,
    pub(super) response_body: FailurePolicy,
}

/// The longest time that all calls for one body can be given.
pub(super) const MAX_BODY_TIME: Duration = Duration::from_secs(3600);

pub(super) fn name(written: Spanned<String>, source: &Source) -> Result<String, Mistake> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let good =
        (1..=64).contains(&written.get_ref().len()) && written.get_ref().chars().all(allowed);
    match good {
        true => Ok(written.into_inner()),
        false => Err(source
            .mistake(written.span(), "not a plugin's name")
            .help("letters, digits, `-` and `_` make one, 64 at most")),
    }
}

pub(super) fn grants(
    written: WrittenGrants,
    folder: &Path,
    source: &Source,
) -> Result<Grants, Mistake> {
    let directory = |(guest, host): (Spanned<String>, Spanned<PathBuf>)| {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        match guest.get_ref().strip_prefix('/') {
            Some(rest) if rest.split('/').all(plain) => Ok(Directory {
                span: host.span(),
                host: folder.join(host.get_ref()),
                guest: guest.into_inner(),
            }),
            _ => {
                let mistake = source.mistake(guest.span(), "not a directory's path for a plugin");
                Err(mistake.help("it begins with a slash and ends without one: \"/lists\""))
            }
        }
    };
    let directories = written.directories.into_iter().map(directory);
    Ok(Grants {
        clock: written.clock,
        random: written.random,
        metrics: written.metrics,
        kv: written.kv,
        directories: directories.collect::<Result<_, _>>()?,
    })
}

pub(super) fn digest(
    written: &Spanned<String>,
    source: &Source,
) -> Result<Spanned<Digest>, Mistake> {
    match written.get_ref().parse() {
        Ok(digest) => Ok(Spanned::new(written.span(), digest)),
        Err(malformed) => Err(source
            .mistake(written.span(), format!("{malformed}"))
            .help("`wproxy check` shows that of every component")),
    }
}

pub(super) fn limits(written: &WrittenLimits, source: &Source) -> Result<Limits, Mistake> {
    let default = Limits::default();
    let time = |written: &Option<Spanned<Span>>, default, most, message: &str| {
        let span = written
            .as_ref()
            .map(|time| Spanned::new(time.span(), time.get_ref().0));
        within(
            span.as_ref(),
            default,
            Duration::from_millis(1)..=most,
            message,
            source,
        )
    };
    let octets = |written: &Option<Spanned<Size>>, default, least, most, message: &str| {
        let number = written
            .as_ref()
            .map(|size| Spanned::new(size.span(), size.get_ref().octets()));
        within(number.as_ref(), default, least..=most, message, source)
    };
    let count = |written: &Option<Spanned<usize>>, default, most, message: &str| {
        within(written.as_ref(), default, 1..=most, message, source)
    };
    #[rustfmt::skip]
    let bodies = BodyBounds {
        shown: octets(&written.body, default.bodies.shown, 1, usize::MAX, "a plugin is shown one octet of a body at least")?,
        shown_beyond: written.body_beyond.unwrap_or(default.bodies.shown_beyond),
        held: octets(&written.held, default.bodies.held, 0, 64 << 20, "0 to 64 MB of a body can be held back")?,
        held_beyond: written.held_beyond.unwrap_or(default.bodies.held_beyond),
        time: time(&written.body_time, default.bodies.time, MAX_BODY_TIME, "all calls for a body can be given 1 ms to 1 h")?,
        most: count(&written.bodies, default.bodies.most, engine::BODIES, "a plugin can watch 1 to 1000 bodies at a time")?,
    };
    #[rustfmt::skip]
    let limits = Limits {
        time: time(&written.time, default.time, engine::MAX_CALL_TIME, "a call can be given 1 ms to 10 s")?,
        memory: octets(&written.memory, default.memory, 1 << 16, engine::MAX_MEMORY, "an instance can have 64 KB to 1 GB")?,
        table_elements: count(&written.table_elements, default.table_elements, engine::MAX_TABLE, "an instance can have 1 to 100000 table elements")?,
        stack: stack(written.stack.as_ref(), default.stack, source)?,
        fields: octets(&written.fields, default.fields, 0, 1 << 20, "a call can write 0 to 1 MB into fields")?,
        log_line: octets(&written.log_line, default.log_line, 80, 64 << 10, "a log line can have 80 bytes to 64 KB")?,
        log_lines: count(&written.log_lines, default.log_lines, 10_000, "a call can log 1 to 10000 lines")?,
        log_rate: written.log_rate.unwrap_or(default.log_rate),
        handles: count(&written.handles, default.handles, 10_000, "an instance can hold 1 to 10000 handles")?,
        series: count(&written.series, default.series, 10_000, "a plugin can have 1 to 10000 series of its own")?,
        kv: Bounds {
            octets: octets(&written.kv_size, default.kv.octets, 1 << 10, 1 << 30, "a plugin can keep 1 KB to 1 GB")?,
            entries: count(&written.kv_entries, default.kv.entries, 10_000_000, "a plugin can keep 1 to 10000000 entries")?,
        },
        bodies,
        calls: within(written.calls.as_ref(), default.calls, 1..=u64::MAX, "an instance serves one call at least", source)?,
        batch: count(&written.batch, default.batch, 4096, "a batch has 1 to 4096 transactions")?,
        queue: count(&written.queue, default.queue, 1_000_000, "1 to 1000000 transactions can wait")?,
        failures: written.failures.unwrap_or(default.failures),
    };
    Ok(limits)
}

/// One of the sizes that there are.
fn stack(
    written: Option<&Spanned<Size>>,
    default: usize,
    source: &Source,
) -> Result<usize, Mistake> {
    let Some(size) = written else {
        return Ok(default);
    };
    let mut stacks = engine::STACKS.into_iter();
    let stack = stacks.find(|stack| *stack as u64 == size.get_ref().0);
    stack.ok_or_else(|| {
        source.mistake(
            size.span(),
            "a call can have 64, 128, 256 or 512 KB of stack, or 1 MB",
        )
    })
}
