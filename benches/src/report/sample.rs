//! Small records for tests.

use crate::record::{Measurement, Record, case};

pub(super) fn record(measurements: impl IntoIterator<Item = Measurement>) -> Record {
    let mut record = Record::new("touch");
    record.measurements.extend(measurements);
    record
}

pub(super) fn measurement<const N: usize>(
    part: &str,
    quantity: &str,
    pairs: [(&str, &str); N],
    contender: &str,
    samples: &[f64],
) -> Measurement {
    Measurement {
        part: part.into(),
        quantity: quantity.into(),
        unit: "ns".into(),
        case: case(pairs.map(|(key, value)| (key, value.to_owned()))),
        contender: contender.into(),
        samples: samples.to_vec(),
    }
}

pub(super) fn engine(
    load: &str,
    sessions: usize,
    threads: usize,
    contender: &str,
    samples: &[f64],
) -> Measurement {
    let pairs = [
        ("load", load),
        ("sessions", &sessions.to_string()),
        ("threads", &threads.to_string()),
        ("bytes", "160"),
        ("keys", "uniform"),
    ];
    measurement("engine", "time per operation", pairs, contender, samples)
}
