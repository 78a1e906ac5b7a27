//! What a look-up in a large set costs, and what the set holds of memory: `cargo bench --bench sets`.
//!
//! The questions are spread over the whole set, so that the
//! processor's caches help no more than they would with clients.

use criterion::{Criterion, criterion_group, criterion_main};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use wproxy::bench::{Set, SetKind};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];
/// Of each kind that are asked in turn.
const ASKED: u32 = 1 << 16;

/// The entries of a set of that size.
fn text(kind: SetKind, size: u32) -> String {
    let mut text = String::new();
    for number in 0..size {
        match kind {
            SetKind::Domains => writeln!(text, ".{}", name(number)),
            SetKind::Addresses => writeln!(text, "{}/24", address(number)),
            SetKind::Regexes | SetKind::Strings => writeln!(text, "{}", name(number)),
        }
        .expect("a String takes it");
    }
    text
}

/// Twenty octets or so, as domains on lists of them have.
fn name(number: u32) -> String {
    let spread = number.wrapping_mul(0x9e37_79b1);
    format!("host-{spread:08x}.test{}.example", number % 100)
}

/// The first of a network of 256. No two are the same, and none touches another.
fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(number << 9)
}

fn sets(criterion: &mut Criterion) {
    for kind in [SetKind::Domains, SetKind::Addresses, SetKind::Strings] {
        for size in SIZES {
            let text = text(kind, size);
            let set = Set::parse(kind, &text).expect("entries");
            tell(kind, size, text.len(), set.size().expect("known"));
            // Numbers from there on are of no entry.
            for (what, first) in [("hit", 0), ("miss", size)] {
                let id = format!("{kind}/{what}/{size}");
                let asked = (0..ASKED).map(|turn| first + turn.wrapping_mul(7919) % size);
                match kind {
                    SetKind::Addresses => {
                        let asked: Vec<IpAddr> = asked.map(|n| address(n).into()).collect();
                        look_up(criterion, &id, &asked, |address| {
                            set.contains_address(*address)
                        });
                    }
                    SetKind::Domains => {
                        let asked: Vec<String> =
                            asked.map(|n| format!("www.{}", name(n))).collect();
                        look_up(criterion, &id, &asked, |host| set.contains(host));
                    }
                    SetKind::Regexes | SetKind::Strings => {
                        let asked: Vec<String> = asked.map(name).collect();
                        look_up(criterion, &id, &asked, |text| set.contains(text));
                    }
                }
            }
        }
    }
}

fn look_up<T>(
    criterion: &mut Criterion,
    id: &str,
    asked: &[T],
    contains: impl Fn(&T) -> Option<bool>,
) {
    let expected = Some(id.contains("hit"));
    assert!(
        asked.iter().all(|asked| contains(asked) == expected),
        "{id}"
    );
    let mut asked = asked.iter().cycle();
    criterion.bench_function(id, |bench| {
        bench.iter(|| asked.next().map(&contains));
    });
}

#[expect(clippy::print_stderr, reason = "the bench is there for this")]
fn tell(kind: SetKind, size: u32, text: usize, octets: usize) {
    let mib = |octets: usize| octets as f64 / f64::from(1 << 20);
    eprintln!(
        "{size} {kind}: {:.1} MiB in memory, {:.1} MiB as text",
        mib(octets),
        mib(text)
    );
}

criterion_group!(benches, sets);
criterion_main!(benches);
