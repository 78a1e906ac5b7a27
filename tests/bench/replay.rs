//! What a replay of 10,000 recorded transactions takes, two seconds at most: `cargo bench --bench replay`.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::path::Path;
use std::process::{Command, Stdio};
use wproxy::bench::Recorded;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TRANSACTIONS: u64 = 10_000;

fn bench(criterion: &mut Criterion) {
    let recorded = Recorded::transactions(TRANSACTIONS).expect("the default plugins run here");
    let mut group = criterion.benchmark_group("replay of 10,000");
    group.sample_size(10);
    group.bench_function("read and judged", |bencher| {
        bencher.iter(|| {
            let found = recorded.replay().expect("it can be read");
            assert_eq!(found, (TRANSACTIONS, 0));
        });
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sample.rec");
    std::fs::write(&file, recorded.file()).expect("a file");
    let settings = folder.path().join("wproxy.toml");
    std::fs::write(&settings, "").expect("a file");
    group.bench_function("the whole command", |bencher| {
        bencher.iter_batched(
            || command(&file, &settings),
            |mut command| {
                let status = command.status().expect("it runs");
                assert!(status.success());
            },
            BatchSize::PerIteration,
        );
    });
}

fn command(file: &Path, settings: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wproxy"));
    command
        .arg("replay")
        .arg(file)
        .arg("--config")
        .arg(settings)
        .stdout(Stdio::null());
    command
}

criterion_group!(benches, bench);
criterion_main!(benches);
