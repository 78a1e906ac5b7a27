use super::*;
use crate::http::date;
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn refresh(min: u64, percent: u32, max: u64) -> Refresh {
    Refresh {
        min,
        percent,
        max,
        ..Refresh::stale_at_once()
    }
}

fn fields(lines: &[(&'static str, String)]) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in lines {
        fields.push(*name, value.clone());
    }
    fields
}

fn times(lines: &[(&'static str, String)]) -> Times {
    let fields = fields(lines);
    Times::of(&fields, &ResponseControl::of(&fields), at(NOW - 1), at(NOW))
}

/// §4.2.1.
#[test]
fn what_the_response_says_itself() {
    let control = |text: &str| ("Cache-Control", text.to_owned());
    let now = || ("Date", date(at(NOW)));
    let expires = |seconds: u64| ("Expires", date(at(NOW - 1000 + seconds)));
    let invalid = |text: &str| ("Expires", text.to_owned());
    #[rustfmt::skip]
    let cases = [
        // The first match: s-maxage, max-age, Expires.
        (vec![now(), control("max-age=60")], Some(60)),
        (vec![now(), control("max-age=60, s-maxage=5")], Some(5)),
        (vec![now(), control("max-age=5, s-maxage=60")], Some(60)),
        (vec![now(), control("s-maxage=x, max-age=60")], Some(0)),
        (vec![now(), expires(1060)], Some(60)), (vec![now(), expires(940)], Some(0)), (vec![now(), expires(1000)], Some(0)),
        (vec![now(), expires(1060), control("max-age=7")], Some(7)), (vec![now(), expires(940), control("s-maxage=7")], Some(7)),
        (vec![now(), expires(1060), control("public")], Some(60)),
        (vec![now()], None), (vec![], None), (vec![control("no-cache, public, stale-if-error=5")], None),
        // Minus Date, or the time of arrival where there is none; whoever is fast or slow.
        (vec![expires(1060)], Some(60)), (vec![("Date", "junk".into()), expires(1060)], Some(60)),
        (vec![("Date", date(at(NOW - 500))), expires(1060)], Some(560)), (vec![("Date", date(at(NOW + 20))), expires(1060)], Some(40)),
        // §5.3: an invalid date is in the past.
        (vec![now(), invalid("0")], Some(0)), (vec![now(), invalid("-1")], Some(0)), (vec![now(), invalid("")], Some(0)),
        (vec![now(), invalid("Thu, 18 Aug 2050 02:01:18 UTC")], Some(0)),
        // All three forms, in any case; the ends of time.
        (vec![("Date", "Sun, 06 Nov 1994 08:49:37 GMT".into()), invalid("Sunday, 06-Nov-94 08:50:37 GMT")], Some(60)),
        (vec![("Date", "Sun Nov  6 08:49:37 1994".into()), invalid("SUN, 06 NOV 1994 08:50:37 gmt")], Some(60)),
        (vec![("Date", "Thu, 01 Jan 1970 00:00:00 GMT".into()), invalid("Fri, 31 Dec 9999 23:59:59 GMT")], Some(253_402_300_799)),
        // Of several lines the first; a list is no date.
        (vec![now(), expires(1060), expires(940)], Some(60)), (vec![now(), expires(940), expires(1060)], Some(0)),
        (vec![now(), ("Date", date(at(NOW - 500))), expires(1060)], Some(60)),
        (vec![now(), invalid("0"), expires(1060)], Some(0)),
        (vec![now(), invalid(&format!("{0}, {0}", date(at(NOW + 60))))], Some(0)),
    ];
    for (lines, expected) in cases {
        assert_eq!(times(&lines).explicit, expected, "{lines:?}");
    }
}

/// RFC 9213 §2.2.
#[test]
fn expires_does_not_count_beside_a_targeted_field() {
    let later = ("Expires", date(at(NOW + 60)));
    for (targeted, expected) in [("max-age=5", Some(5)), ("none", None), ("", Some(60))] {
        let fields = fields(&[later.clone(), ("CDN-Cache-Control", targeted.into())]);
        let control = ResponseControl::of_targeted(&fields, &["cdn-cache-control"]);
        let times = Times::of(&fields, &control, at(NOW), at(NOW));
        assert_eq!(times.explicit, expected, "{targeted}");
    }
}

/// §4.2.3: the larger of what Date and what Age say, and the time since.
#[test]
fn ages_add_up() {
    let dated = |seconds: u64| ("Date", date(at(NOW - 1000 + seconds)));
    let age = |text: &str| ("Age", text.to_owned());
    // The request took a second.
    #[rustfmt::skip]
    let cases = [
        (vec![], 1), (vec![dated(1000)], 1), (vec![dated(900)], 100), (vec![dated(1500)], 1),
        (vec![dated(1000), age("30")], 31), (vec![dated(900), age("30")], 100), (vec![dated(900), age("300")], 301),
        (vec![dated(1500), age("30")], 31), (vec![("Date", "junk".into()), age("30")], 31),
        // §5.1: of a list the first member, whatever follows.
        (vec![age("30, 0")], 31), (vec![age("0, 30")], 1), (vec![age("30"), age("0")], 31), (vec![age("0"), age("30")], 1),
        (vec![age(""), age("30")], 31), (vec![age("30, x")], 31),
        // §5.1: what is no non-negative integer is ignored.
        (vec![age("soon")], 1), (vec![age("-30")], 1), (vec![age("+30")], 1), (vec![age("30.0")], 1), (vec![age("30;a=1")], 1),
        (vec![age("\"30\"")], 1), (vec![age("x, 30")], 1),
        // §1.2.2: too large is 2^31.
        (vec![age("2147483648")], 2_147_483_649), (vec![age("99999999999999999999999")], 2_147_483_649),
    ];
    for (lines, expected) in cases {
        let times = times(&lines);
        assert_eq!(times.age(at(NOW)), expected, "{lines:?}");
        assert_eq!(times.age(at(NOW + 5)), expected + 5, "{lines:?}");
        // The clock was set back.
        assert_eq!(times.age(at(NOW - 5)), expected + 5, "{lines:?}");
    }
}

/// §4.2.2, by squid's algorithm.
#[test]
fn refresh_pattern_where_it_says_nothing() {
    let modified = |ago: u64| {
        times(&[
            ("Date", date(at(NOW))),
            ("Last-Modified", date(at(NOW - ago))),
        ])
    };
    let squids_default = refresh(0, 20, 259_200);
    assert_eq!(modified(864_000).lifetime(&squids_default), 172_800);
    assert_eq!(modified(8_640_000).lifetime(&squids_default), 259_200);
    assert_eq!(modified(0).lifetime(&squids_default), 0);
    assert_eq!(times(&[]).lifetime(&squids_default), 0);
    assert_eq!(modified(864_000).lifetime(&refresh(0, 0, 0)), 0);
    assert_eq!(times(&[]).lifetime(&refresh(60, 20, 3600)), 60);
    // Last-Modified decides where there is one, unless overruled.
    assert_eq!(modified(100).lifetime(&refresh(60, 20, 3600)), 20);
    let overruled = Refresh {
        overrules: [Overrule::OverrideLastmod].into(),
        ..refresh(60, 20, 3600)
    };
    assert_eq!(modified(100).lifetime(&overruled), 60);
    // What is no date, or later than the response, says nothing.
    let other = |lm: String, date: String| times(&[("Date", date), ("Last-Modified", lm)]);
    let now = || date(at(NOW));
    assert_eq!(
        other("junk".into(), now()).lifetime(&refresh(60, 20, 3600)),
        60
    );
    assert_eq!(
        other(date(at(NOW + 9)), now()).lifetime(&refresh(60, 20, 3600)),
        60
    );
    // Nothing was made in the future.
    let fast = other(date(at(NOW - 100)), date(at(NOW + 100_000)));
    assert_eq!(fast.lifetime(&refresh(0, 20, 3600)), 20);
    // §4.2.2: MUST NOT use heuristics where an explicit expiration time is present.
    let expired = times(&[
        ("Last-Modified", date(at(NOW - 864_000))),
        ("Expires", "0".into()),
    ]);
    assert_eq!(expired.lifetime(&squids_default), 0);
}

#[test]
fn overrides_overrule_what_it_says() {
    let expires = times(&[("Cache-Control", "max-age=10".into())]);
    let overrule = Refresh {
        overrules: [Overrule::OverrideExpire].into(),
        ..refresh(60, 20, 3600)
    };
    assert_eq!(expires.lifetime(&overrule), 60);
    assert_eq!(expires.lifetime(&refresh(60, 20, 3600)), 10);
}

/// RFC 9110 §6.6.1.
#[test]
fn what_is_kept_has_a_date() {
    let dated = |lines: &[(&'static str, String)]| {
        let mut fields = fields(lines);
        add_date(&mut fields, at(NOW));
        fields
    };
    let (now, earlier) = (("Date", date(at(NOW))), ("Date", date(at(NOW - 9))));
    assert_eq!(dated(&[]), fields(std::slice::from_ref(&now)));
    assert_eq!(dated(&[("Date", "junk".into())]), fields(&[now]));
    assert_eq!(dated(std::slice::from_ref(&earlier)), fields(&[earlier]));
}

proptest! {
    /// Whatever a response says, its age is at least what it says and only grows, and nothing overflows.
    #[test]
    fn ages_grow(
        age in "[0-9]{0,25}",
        offset in 0u64..200_000,
        control in "(max-age=[0-9]{0,25})?",
        expires in prop::collection::vec(any::<u8>(), 0..30),
        later in 0u64..1_000_000,
    ) {
        let mut fields = fields(&[("Date", date(at(NOW - 100_000 + offset))), ("Age", age.clone()), ("Cache-Control", control)]);
        fields.push("Expires", expires);
        let times = Times::of(&fields, &ResponseControl::of(&fields), at(NOW), at(NOW));
        let said = age.parse::<u128>().map_or(0, |age| u64::try_from(age).map_or(1 << 31, |age| age.min(1 << 31)));
        prop_assert!(times.age(at(NOW)) >= said);
        prop_assert!(times.age(at(NOW)) >= 100_000u64.saturating_sub(offset));
        prop_assert_eq!(times.age(at(NOW + later)), times.age(at(NOW)) + later);
        prop_assert!(times.explicit.is_some());
        let _ = times.lifetime(&refresh(later, 500, u64::MAX));
    }
}
