//! What operations write that other threads write too: the counts of `docs/scaling.md`.

use std::ops::Range;
use std::path::Path;
use std::sync::mpsc;

use ahash::RandomState;
use libtest_mimic::{Failed, Trial};
use rekindle::steps::{Step, watch};
use rekindle::{Cache, SessionId, Time};

/// Files of the engine whose read-modify-writes are counted; of `recency`, the stores.
const FILES: [&str; 9] = [
    "pin", "pool", "line", "entry", "recency", "gauges", "rank", "cursor", "memory",
];

/// A call, the ids that it is made with, and the mean of its writes by file.
type Row = (fn(&Cache<u32>, usize), Range<usize>, [f64; FILES.len()]);

#[rustfmt::skip]
const ROWS: [Row; 8] = [
    (|c, n| put(c, n, 200), 60_000..76_000, [1., 1., 2., 1., 1.3, 0., 0.06, 0.34, 0.03]),
    (|c, n| put(c, n, n * 37 % 350), 80_000..96_000, [1., 1., 2., 1., 1.4, 0.95, 0.06, 0.34, 0.03]),
    (|c, _| put(c, 95_900, 200), 0..1_600, [1., 1., 1., 0., 1., 0., 0., 0., 0.03]),
    (|c, n| _ = c.get(&id(n)), 95_000..95_100, [1., 0., 0., 0., 1., 0., 0., 0., 0.]),
    (|c, n| _ = c.get(&id(n)), 95_000..95_100, [1., 0., 0., 0., 0., 0., 0., 0., 0.]),
    (|c, n| _ = c.get(&id(n)), 0..1_600, [1., 0., 0., 0., 0., 0., 0., 0., 0.]),
    (|c, n| _ = c.take(&id(n)), 94_000..95_600, [1., 1., 1., 0., 0., 2., 0., 0., 0.03]),
    (|c, n| put(c, n, 200), 0..1_200, [1., 1., 1., 1., 1., 2., 0.06, 0., 0.01]),
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("scaling::writes_of_shared_lines", writes)]
}

fn writes() -> Result<(), Failed> {
    // Always the same: where the sessions lie moves the means by a tenth.
    let hasher = RandomState::with_seeds(1, 2, 3, 4);
    let cache = Cache::builder().capacity(10_000).hasher(hasher).build()?;
    (1_600..60_000).for_each(|n| put(&cache, n, 200));
    for (row, (call, ids, expected)) in ROWS.into_iter().enumerate() {
        let calls = ids.len() as f64;
        let (send, steps) = mpsc::channel();
        let on_step = move |step| send.send(step).expect("the test listens");
        watch(on_step, || ids.for_each(|n| call(&cache, n)));
        let mut found = [0.; FILES.len()];
        for file in steps.iter().filter_map(|step| written(&step)) {
            let index = FILES.iter().position(|known| *known == file);
            found[index.unwrap_or_else(|| panic!("row {row}: a write in {file}"))] += 1. / calls;
        }
        let differs =
            |(found, expected): (&f64, &f64)| (found - expected).abs() > 0.03 + expected * 0.2;
        assert!(
            !found.iter().zip(&expected).any(differs),
            "row {row}: {found:?}"
        );
    }
    Ok(())
}

/// The file of a step that writes what other threads write.
fn written(step: &Step) -> Option<&'static str> {
    let file = Path::new(step.at.file()).file_stem()?.to_str()?;
    let is_exchange = ["swap", "compare_exchange", "fetch_add", "fetch_max"].contains(&step.name);
    (is_exchange || (step.name, file) == ("store", "recency")).then_some(file)
}

fn put(cache: &Cache<u32>, n: usize, len: usize) {
    let inserted = cache.insert(&id(n), 0, &[1; 400][..len], Time::NEVER);
    inserted.expect("not refused");
}

fn id(n: usize) -> SessionId {
    SessionId::new(&n.to_le_bytes()).expect("short enough")
}
