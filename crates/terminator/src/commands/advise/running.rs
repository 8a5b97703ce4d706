//! Advice from the metrics of a running terminator.

use super::arguments::Advise;
use super::error::{AdviseError, MetricsError};
use super::fetch::{address, fetch};
use super::openmetrics::{Sample, Samples, is_count, number};
use super::report::table;
use super::report::{ENOUGH, SESSION_BYTES, TABLE_BYTES, TOLERANCE, bytes_each, round_up};
use crate::numbers::{bytes, count, percent};
use crate::sizing::Curve;

const HISTOGRAM: &str = "rekindle_cache_reuse_distance_sessions_bucket";

/// Capacities to show: the terminator's, doubled this many times.
const DOUBLINGS: std::ops::RangeInclusive<i32> = -6..=3;
/// A capacity of at least this share of the present one is not worth a restart.
const ALIKE: f64 = 0.8;

pub(super) fn advice(url: &str, arguments: &Advise) -> Result<String, AdviseError> {
    let url = address(url)?;
    let text = fetch(&url)?;
    let read = Samples::parse(&text).and_then(|samples| Terminator::read(&samples));
    let terminator = read.map_err(|source| AdviseError::Metrics { url, source })?;
    let each = match (arguments.session_bytes, terminator.bytes_each()) {
        (None, Some(each)) => each,
        (asked, _) => bytes_each(asked.unwrap_or(SESSION_BYTES))?,
    };
    Ok(terminator.advice(each, arguments))
}

/// What a terminator tells of itself.
struct Terminator {
    capacity: usize,
    entries: f64,
    bytes: f64,
    lookups: f64,
    hits: f64,
    /// The share of sessions that the curve is estimated from, now.
    sampled: f64,
    curve: Curve,
}

impl Terminator {
    fn read(samples: &Samples) -> Result<Self, MetricsError> {
        let results = "rekindle_cache_lookups_total";
        let lookups = samples.count(results)?;
        let hits = (samples.named(results))
            .filter(|sample| sample.label("result") == Some("hit"))
            .map(|sample| sample.value)
            .sum();
        let sampled = "rekindle_cache_reuse_sampled_ratio";
        let capacity = "rekindle_cache_capacity";
        let terminator = Self {
            capacity: samples.count(capacity)? as usize,
            entries: samples.count("rekindle_cache_entries")?,
            bytes: samples.count("rekindle_cache_size_bytes")?,
            lookups,
            hits,
            sampled: samples.count(sampled)?,
            curve: curve(samples, lookups)?,
        };
        if terminator.capacity == 0 {
            return Err(MetricsError::Value(capacity.to_owned()));
        }
        if terminator.sampled > 1.0 {
            return Err(MetricsError::Value(sampled.to_owned()));
        }
        Ok(terminator)
    }

    fn bytes_each(&self) -> Option<f64> {
        (self.entries > 0.0).then(|| self.bytes / self.entries + TABLE_BYTES)
    }

    fn advice(&self, each: f64, arguments: &Advise) -> String {
        if self.lookups == 0.0 {
            return format!(
                "{} No session was looked up so far: clients with stateless tickets do not ask the \
                 cache.\n",
                self.holds()
            );
        }
        format!(
            "{}\n{}\n\n{}\n{}",
            self.holds(),
            self.found(),
            self.table(each, arguments),
            self.recommendation(each)
        )
    }

    fn holds(&self) -> String {
        format!(
            "The cache holds {} sessions of at most {}.",
            count(self.entries as u64),
            count(self.capacity as u64)
        )
    }

    fn found(&self) -> String {
        format!(
            "{} lookups, of which it found {}; LRU would have found {}, estimated from {} of the \
             sessions.",
            count(self.lookups as u64),
            percent(self.hits / self.lookups),
            percent(self.curve.share(self.capacity)),
            percent(self.sampled),
        )
    }

    fn table(&self, each: f64, arguments: &Advise) -> String {
        let doubled = |doublings: i32| (self.capacity as f64 * 2f64.powi(doublings)) as usize;
        let known = |capacity: &usize| (1..=self.curve.reach()).contains(capacity);
        let mut capacities: Vec<usize> = DOUBLINGS.map(doubled).filter(known).collect();
        let asked = (arguments.capacities.iter()).map(|capacity| capacity.get() as usize);
        capacities.extend(asked);
        capacities.sort_unstable();
        capacities.dedup();

        let mut lines = vec![["capacity", "LRU", "memory"].map(str::to_owned).to_vec()];
        for capacity in capacities {
            let mut line = vec![
                count(capacity as u64),
                percent(self.curve.share(capacity)),
                bytes(each * capacity as f64),
            ];
            if capacity == self.capacity {
                line.push("now".into());
            } else if capacity > self.curve.reach() {
                line.push("or more".into());
            }
            lines.push(line);
        }
        table(&lines)
    }

    fn recommendation(&self, each: f64) -> String {
        let sampled = self.lookups * self.sampled;
        if sampled < ENOUGH {
            return format!(
                "No recommendation yet: of {} lookups in the sample chance decides. \
                 Ask again after {}.\n",
                count(sampled as u64),
                count(ENOUGH as u64),
            );
        }
        let most = self.curve.share(self.curve.reach());
        let smallest = self.curve.smallest(most - TOLERANCE);
        let enough = match smallest.unwrap_or(self.curve.reach()) {
            // Not rounded up to more than there is.
            smallest if smallest <= self.capacity => round_up(smallest).min(self.capacity),
            smallest => round_up(smallest),
        };
        let reason = format!(
            "the smallest capacity within one percentage point of the {} that {} would give",
            percent(most),
            count(self.curve.reach() as u64)
        );
        let (now, then) = (self.curve.share(self.capacity), self.curve.share(enough));
        let memory = format!(
            "When full it takes {} ({:.0} bytes a session in all), {} now.\n",
            bytes(each * enough as f64),
            each,
            bytes(each * self.capacity as f64)
        );
        let ratio = percent(then);
        if enough > self.capacity {
            format!(
                "Recommended: raise --sessions to {enough}, {reason}:\n\
                 {ratio} instead of {}. {memory}",
                percent(now)
            )
        } else if (enough as f64) < ALIKE * self.capacity as f64 {
            format!(
                "Recommended: --sessions {enough} is enough, {reason}:\n\
                 {ratio} instead of {}. {memory}",
                percent(now)
            )
        } else {
            format!("Recommended: leave --sessions as it is: {enough} is {reason}.\n")
        }
    }
}

fn curve(samples: &Samples, lookups: f64) -> Result<Curve, MetricsError> {
    let bucket = |sample: &Sample| {
        let bound = sample.label("le").and_then(number)?;
        is_count(sample.value).then_some((bound, sample.value))
    };
    let buckets: Option<Vec<_>> = samples.named(HISTOGRAM).map(bucket).collect();
    let wrong = || MetricsError::Histogram(HISTOGRAM.to_owned());
    let buckets = buckets.ok_or_else(wrong)?;
    if buckets.is_empty() {
        return Err(MetricsError::Missing(HISTOGRAM.to_owned()));
    }
    Curve::new(buckets, lookups).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    const WRITTEN: &[u8] = b"0123456789.e-+ \n{}\"\\,=naN";
    const METRICS: &str = include_str!("../../../tests/terminator/metrics.txt");

    #[test]
    fn no_answer_of_a_server_makes_it_panic() {
        let arguments = Advise {
            hits_file: None,
            metrics: None,
            capacities: vec![std::num::NonZeroU32::MIN, std::num::NonZeroU32::MAX],
            session_bytes: None,
            session_timeout: None,
        };
        let cache = METRICS
            .lines()
            .filter(|line| line.starts_with("rekindle_cache_"));
        let cache: Vec<u8> = cache
            .flat_map(|line| [line.as_bytes(), b"\n"].concat())
            .collect();
        let mut rng = SmallRng::seed_from_u64(5);
        let (mut refused, mut advised) = (0, 0);
        for _ in 0..1_500 {
            let mut text = cache.clone();
            for _ in 0..rng.random_range(0..3) {
                let at = rng.random_range(0..text.len());
                let with = WRITTEN[rng.random_range(0..WRITTEN.len())];
                match rng.random_range(0..3) {
                    0 => text[at] = with,
                    1 => text.insert(at, with),
                    _ => drop(text.remove(at)),
                }
            }
            let text = String::from_utf8(text).unwrap() + "# EOF\n";
            match Samples::parse(&text).and_then(|samples| Terminator::read(&samples)) {
                Ok(terminator) => {
                    let each = terminator.bytes_each().unwrap_or(1.0);
                    assert!(
                        !terminator.advice(each, &arguments).contains("NaN"),
                        "{text}"
                    );
                    advised += 1;
                }
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 100 && advised > 100, "{refused} {advised}");
    }
}
