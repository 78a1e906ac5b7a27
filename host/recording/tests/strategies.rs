//! Any transaction that a recording can have.

use crate::plugin::Overrule;
use crate::recording::line::{
    Access, Answered, Asked, Edit, Fields, Finding, Judged, Key, Refresh, Rule,
};
use crate::recording::{Octets, Transaction};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::subsequence;
use std::collections::BTreeSet;
use std::net::IpAddr;

fn octets() -> impl Strategy<Value = Octets> {
    prop_oneof![
        vec(any::<u8>(), 0..20).prop_map(|octets| Octets(octets.into())),
        any::<String>().prop_map(|text| Octets::from(text.as_str())),
    ]
}

fn fields() -> impl Strategy<Value = Fields> {
    vec((octets(), octets()), 0..4)
}

fn rule() -> impl Strategy<Value = Rule> {
    (
        any::<String>(),
        any::<String>(),
        option::of(any::<(String, usize)>()),
    )
        .prop_map(|(plugin, text, location)| {
            let (file, line) = location.unzip();
            Rule {
                plugin,
                text,
                file,
                line,
            }
        })
}

fn access() -> impl Strategy<Value = Access> {
    let text = any::<String>;
    prop_oneof![
        rule().prop_map(|rule| Access::Allow { rule }),
        (rule(), any::<u16>(), option::of(text())).prop_map(|(rule, status, message)| {
            Access::Deny {
                rule,
                status,
                message,
            }
        }),
        (text(), text()).prop_map(|(plugin, challenge)| Access::Authenticate { plugin, challenge }),
        (text(), text()).prop_map(|(plugin, reason)| Access::Failed { plugin, reason }),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        Just(Key::Uri),
        any::<String>().prop_map(Key::Named),
        Just(Key::Never),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    (option::of(any::<u16>()), fields(), option::of(fields())).prop_map(
        |(status, before, after)| Edit {
            status,
            before,
            after,
        },
    )
}

fn options() -> impl Strategy<Value = BTreeSet<Overrule>> {
    let some = vec![Overrule::OverrideExpire, Overrule::IgnoreReload];
    subsequence(some, 0..=2).prop_map(BTreeSet::from_iter)
}

fn judged() -> impl Strategy<Value = Judged> {
    let refresh = (rule(), any::<(u64, u32, u64)>(), options()).prop_map(
        |(rule, (min, percent, max), options)| Refresh {
            rule,
            min,
            percent,
            max,
            options,
        },
    );
    let judged = (
        any::<u16>(),
        fields(),
        option::of(refresh),
        option::of(rule()),
    );
    judged.prop_map(|(status, fields, refresh, never)| Judged {
        status,
        fields,
        refresh,
        never,
    })
}

fn answered() -> impl Strategy<Value = Answered> {
    let findings = [Finding::Ok, Finding::Err, Finding::Bh];
    let text = any::<String>;
    let pairs = vec((text(), text()), 0..3);
    (
        text(),
        text(),
        prop::sample::select(findings.to_vec()),
        pairs,
    )
        .prop_map(|(helper, key, finding, pairs)| Answered {
            helper,
            key,
            finding,
            pairs,
        })
}

fn asked() -> impl Strategy<Value = Asked> {
    let times = (-10_000_000_000_i64..10_000_000_000, 0..1_000_000_000_i32);
    (
        any::<(u64, i32, String, String)>(),
        times,
        any::<(IpAddr, u16)>(),
        octets(),
        fields(),
        (
            option::of(vec(any::<IpAddr>(), 0..3)),
            vec(answered(), 0..3),
        ),
    )
        .prop_map(
            |(
                (id, offset, method, version),
                (second, nanosecond),
                client,
                uri,
                fields,
                (addresses, answers),
            )| {
                let received =
                    jiff::Timestamp::new(second, if second < 0 { 0 } else { nanosecond });
                Asked {
                    id,
                    received: received.expect("in range"),
                    offset,
                    client: client.into(),
                    method,
                    uri,
                    version,
                    fields,
                    addresses,
                    answers,
                }
            },
        )
}

pub(super) fn transaction() -> impl Strategy<Value = Transaction> {
    (
        (asked(), any::<u64>()),
        option::of(access()),
        option::of(key()),
        option::of(edit()),
        option::of(judged()),
        option::of(edit()),
        vec(any::<String>(), 0..3),
    )
        .prop_map(
            |(
                (request, generation),
                access,
                cache_key,
                request_headers,
                cache_rules,
                response_headers,
                redacted,
            )| Transaction {
                request,
                generation,
                access,
                cache_key,
                request_headers,
                cache_rules,
                response_headers,
                redacted,
            },
        )
}
