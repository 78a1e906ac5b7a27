//! What plugins cost and run into, and what they count themselves.

use crate::plugin::{Hook, Limit, Measure, Meter, Meters, Observing, Registered, Usage};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Writes them on the page of metrics.
#[derive(Debug)]
pub(super) struct Plugins(pub(super) Arc<Meters>);

/// A label's name and value.
type Label = (String, String);
type NoExemplar<'a> = Option<&'a Exemplar<[Label; 0], f64>>;

// === impl Plugins ===

impl Collector for Plugins {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let meters = self.0.all();
        by_hook(
            &mut encoder,
            &meters,
            "plugin_calls",
            "Calls of plugins.",
            Meter::calls,
        )?;
        let what = "Calls of plugins that failed.";
        by_hook(
            &mut encoder,
            &meters,
            "plugin_failures",
            what,
            Meter::failures,
        )?;
        let limits = meters.iter().flat_map(|meter| {
            Limit::ALL.map(|limit| {
                let labels = [
                    named(meter),
                    ("limit".to_owned(), limit.as_str().to_owned()),
                ];
                (labels, meter.limit(limit))
            })
        });
        counters(
            &mut encoder,
            "plugin_limit",
            "How often a plugin hit a limit.",
            limits,
        )?;
        let instances = meters
            .iter()
            .map(|meter| ([named(meter)], meter.instances()));
        let what = "Instances of plugins made.";
        counters(&mut encoder, "plugin_instances", what, instances)?;
        observed(&mut encoder, &meters)?;
        kept(&mut encoder, &meters)?;
        own(&mut encoder, &meters)
    }
}

fn named(meter: &Meter) -> Label {
    ("plugin".to_owned(), meter.plugin().to_owned())
}

/// One counter for each hook that has been called.
fn by_hook(
    encoder: &mut DescriptorEncoder<'_>,
    meters: &[Arc<Meter>],
    name: &str,
    what: &str,
    count: impl Fn(&Meter, Hook) -> u64,
) -> fmt::Result {
    let counted = meters.iter().flat_map(|meter| {
        let called = Hook::ALL.into_iter().filter(|hook| meter.calls(*hook) > 0);
        called.map(|hook| {
            let labels = [named(meter), ("hook".to_owned(), hook.to_string())];
            (labels, count(meter, hook))
        })
    });
    counters(encoder, name, what, counted)
}

pub(super) fn counters<S: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    what: &str,
    counted: impl Iterator<Item = (S, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, what, None, MetricType::Counter)?;
    for (labels, count) in counted {
        family
            .encode_family(&labels)?
            .encode_counter(&count, NoExemplar::None)?;
    }
    Ok(())
}

/// What has become of transactions that plugins observe.
fn observed(encoder: &mut DescriptorEncoder<'_>, meters: &[Arc<Meter>]) -> fmt::Result {
    for (name, what, count) in [
        (
            "observer_told",
            "Completed transactions that a plugin was told of.",
            Observing::told as fn(&Observing) -> u64,
        ),
        (
            "observer_dropped",
            "Completed transactions that a plugin was not told of: it did not keep up, or failed.",
            Observing::dropped,
        ),
    ] {
        let counted = meters
            .iter()
            .filter_map(|meter| Some(([named(meter)], count(meter.observed()?))));
        counters(encoder, name, what, counted)?;
    }
    Ok(())
}

/// How much each plugin keeps that was granted `kv`.
fn kept(encoder: &mut DescriptorEncoder<'_>, meters: &[Arc<Meter>]) -> fmt::Result {
    let now = Instant::now();
    let kept = |meter: &Arc<Meter>| Some(([named(meter)], meter.kept(now)?));
    let kept: Vec<([Label; 1], Usage)> = meters.iter().filter_map(kept).collect();
    for (name, what, count) in [
        (
            "plugin_kv_entries",
            "Values and counters that a plugin keeps.",
            (|kept| kept.entries) as fn(&Usage) -> usize,
        ),
        (
            "plugin_kv_bytes",
            "Bytes that a plugin's values and counters take.",
            |kept| kept.octets,
        ),
    ] {
        let mut family = encoder.encode_descriptor(name, what, None, MetricType::Gauge)?;
        for (labels, kept) in &kept {
            let count = i64::try_from(count(kept)).unwrap_or(i64::MAX);
            family.encode_family(labels)?.encode_gauge(&count)?;
        }
    }
    Ok(())
}

/// `wproxy_custom_...`: by name, whichever plugins use it.
fn own(encoder: &mut DescriptorEncoder<'_>, meters: &[Arc<Meter>]) -> fmt::Result {
    let mut families: BTreeMap<String, Vec<(Vec<Label>, Measure)>> = BTreeMap::new();
    for meter in meters {
        for Registered { key, measure } in meter.own() {
            let labels = std::iter::once(named(meter)).chain(key.labels);
            let family = families.entry(key.name).or_default();
            family.push((labels.collect(), measure));
        }
    }
    for (name, series) in families {
        let kind = match series.first() {
            Some((_, Measure::Histogram(_))) => MetricType::Histogram,
            _ => MetricType::Counter,
        };
        let name = format!("custom_{name}");
        let mut family =
            encoder.encode_descriptor(&name, "Counted by the plugin itself.", None, kind)?;
        for (labels, measure) in &series {
            let mut series = family.encode_family(labels)?;
            match measure {
                Measure::Counter(count) => {
                    series.encode_counter(&count.load(Ordering::Relaxed), NoExemplar::None)?;
                }
                Measure::Histogram(histogram) => {
                    let buckets = histogram.buckets();
                    let count = buckets.iter().map(|(_, count)| count).sum();
                    series.encode_histogram::<[Label; 0]>(
                        histogram.sum(),
                        count,
                        &buckets,
                        None,
                    )?;
                }
            }
        }
    }
    Ok(())
}
