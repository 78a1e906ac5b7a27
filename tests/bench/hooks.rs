//! What a request pays for the default plugins: `cargo bench --bench hooks`.
//!
//! Every figure is a call through the real engine, with its limits on. The last two are all that is
//! called for one request that the cache cannot answer: what comes may not be stored, or may.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use wproxy::bench::Hooks;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FAILS: &str = "the documented configuration allows it";

fn hooks(criterion: &mut Criterion) {
    let hooks = Hooks::documented().expect("the default plugins run");
    criterion.bench_function("access", |bench| {
        bench.iter(|| hooks.access().expect(FAILS));
    });
    criterion.bench_function("request-headers", |bench| {
        bench.iter_batched_ref(
            || hooks.request(),
            |fields| hooks.request_headers(fields).expect(FAILS),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("response-headers", |bench| {
        bench.iter_batched_ref(
            || hooks.response(),
            |fields| hooks.response_headers(fields).expect(FAILS),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("cache-rules", |bench| {
        let mut fields = hooks.response();
        bench.iter(|| hooks.cache_rules(&mut fields).expect(FAILS));
    });
    for stored in [false, true] {
        let name = match stored {
            false => "a request, nothing stored",
            true => "a request, stored",
        };
        criterion.bench_function(name, |bench| {
            bench.iter_batched_ref(
                || (hooks.request(), hooks.response()),
                |(request, response)| {
                    hooks.access().expect(FAILS);
                    hooks.request_headers(request).expect(FAILS);
                    if stored {
                        hooks.cache_rules(response).expect(FAILS);
                    }
                    hooks.response_headers(response).expect(FAILS);
                },
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, hooks);
criterion_main!(benches);
