//! `cargo bench -p rekindle-benches`: every contender by itself, with Criterion's statistics.
//!
//! Ratios between contenders are better taken from `rekindle-benches engine`, which interleaves them.
#![allow(missing_docs)] // criterion's macros

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rekindle_benches::engine::contenders::Who;
use rekindle_benches::engine::loads::Load;
use rekindle_benches::engine::scene::Setup;
use rekindle_benches::engine::tables::Tables;
use rekindle_benches::workload::Keys;

const LOADS: [(&str, Load); 4] = [
    ("get_buffer", Load::GetBuffer),
    ("get", Load::Get),
    ("insert", Load::Insert),
    ("mixed_20", Load::Mixed20),
];

fn engine(criterion: &mut Criterion) {
    for (name, load) in LOADS {
        for sessions in [10_000, 100_000, 1_000_000] {
            let all = Who::ALL.iter().copied();
            let able: Vec<_> = all.filter(|who| who.carries(load, sessions)).collect();
            for threads in [1, 2] {
                let setup = Setup {
                    sessions,
                    threads,
                    bytes: 160,
                    keys: Keys::Uniform,
                };
                let tables = Tables::new(load, &setup, &able);
                let mut group = criterion.benchmark_group(format!("{name}/{sessions}/{threads}"));
                group.throughput(Throughput::Elements(threads as u64));
                for table in &tables.tables {
                    group.bench_function(BenchmarkId::from_parameter(table.who), |b| {
                        b.iter_custom(|n| table.do_operations(load, &tables.scene, threads, n));
                    });
                }
                group.finish();
            }
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = engine
}
criterion_main!(benches);
