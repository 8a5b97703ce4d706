//! Small records for tests.

use crate::record::{Measurement, Record};

pub(super) fn record(measurements: impl IntoIterator<Item = Measurement>) -> Record {
    let mut record = Record::new("touch");
    record.measurements.extend(measurements);
    record
}

/// A case, such as `load=a load; threads=1`, and the samples of its contenders, such as
/// `floor=1,1.1; rekindle=2,2.2`.
pub(super) fn measured(what: [&str; 2], case: &str, contenders: &str) -> Vec<Measurement> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').expect("a key and its value");
        (key.trim().to_owned(), value.to_owned())
    };
    let number = |sample: &str| sample.parse().expect("a number");
    let one = |(contender, samples): (String, String)| Measurement {
        part: what[0].into(),
        quantity: what[1].into(),
        unit: "ns".into(),
        case: case.split(';').map(pair).collect(),
        contender,
        samples: samples.split(',').map(number).collect(),
    };
    contenders.split(';').map(pair).map(one).collect()
}

pub(super) fn engine(load: &str, sessions: u32, threads: u32, times: &str) -> Vec<Measurement> {
    let case = format!("load={load};sessions={sessions};threads={threads};bytes=160;keys=uniform");
    measured(["engine", "time per operation"], &case, times)
}
