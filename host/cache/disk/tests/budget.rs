//! What makes room for what.

use super::*;

#[test]
fn what_was_used_least_recently_makes_room() {
    // 95 of them are just not too many, 90 are what is left of more.
    let bench = Bench::of(100 * ONE);
    for number in 0..95 {
        put_numbered(&bench, number);
    }
    bench.store.settle();
    assert_eq!(bench.usage().evicted, 0);
    for used in [0, 3] {
        assert!(get(&bench, format!("{used}").as_bytes()).is_some());
    }
    put_numbered(&bench, 95);
    bench.store.settle();
    let usage = bench.usage();
    assert_eq!((usage.objects, usage.octets), (90, 90 * ONE));
    assert_eq!((usage.evicted, usage.write_failures), (6, 0));
    let expected: Vec<_> = [0, 3].into_iter().chain(8..96).collect();
    assert_eq!(numbers(&bench), expected);
    for number in 0..96 {
        let file = bench.file(format!("{number}").as_bytes());
        assert_eq!(file.exists(), expected.contains(&number));
    }
}

#[test]
fn the_budget_holds_also_where_nobody_waits_for_the_keeper() {
    let bench = Bench::of(20 * ONE);
    for number in 0..200 {
        put_numbered(&bench, number);
        assert!(bench.usage().octets <= 20 * ONE);
        assert!(bench.may_have(format!("{number}").as_bytes()));
    }
}

#[test]
fn what_would_take_most_of_the_budget_is_not_stored() {
    let bench = Bench::of(MUCH / 1000);
    put(&bench, b"k", b"m", b"body");
    let mut large = bench.create(b"large".to_vec());
    let piece = octets(100 * KIB);
    let error = (0..20).find_map(|_| large.write(&piece).err());
    assert_eq!(error, Some(Degraded::TooLarge));
    assert_eq!(large.write(b"").unwrap_err(), Degraded::TooLarge);
    assert_eq!(large.finish(b"").unwrap_err(), Degraded::TooLarge);
    let long = bench.create(octets(1025 * KIB));
    assert_eq!(long.finish(b"").unwrap_err(), Degraded::TooLarge);
    let long = bench.create(b"long".to_vec());
    assert_eq!(
        long.finish(&octets(1025 * KIB)).unwrap_err(),
        Degraded::TooLarge
    );
    let usage = bench.usage();
    assert_eq!(
        (usage.objects, usage.evicted, usage.degraded),
        (1, 0, false)
    );
    assert_eq!(bench.temporary_files(), 0);
}
