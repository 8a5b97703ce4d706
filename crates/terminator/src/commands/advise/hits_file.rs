//! Advice from a stream of requests.

use std::io::{self, IsTerminal};
use std::path::Path;

use super::arguments::Advise;
use super::error::AdviseError;
use super::replay;
use super::report::table;
use super::report::{ENOUGH, SESSION_BYTES, TOLERANCE, bytes_each, round_up};
use crate::numbers::{bytes, count, percent};
use crate::sizing::{Lru, Requests, read_requests};

/// Capacities to try, in per cent of the sessions in the stream.
const PERCENT: [usize; 11] = [1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200];
/// About how many capacities the search for the smallest one tries.
const SEARCH: usize = 7;

pub(super) fn advice(file: &Path, arguments: &Advise) -> Result<String, AdviseError> {
    let timeout = (arguments.session_timeout).map(|seconds| u64::from(seconds) * 1_000);
    let requests = read_requests(file, timeout.is_some())?;
    let capacities = capacities(&requests, arguments);
    let (mut steps, in_all) = (0, capacities.len() + SEARCH);
    let mut hits = |capacity: usize| {
        steps += 1;
        progress(steps, in_all);
        replay::hits(&requests, capacity, timeout)
    };
    let tried = (capacities.iter())
        .map(|capacity| Ok((*capacity, hits(*capacity)?)))
        .collect::<Result<Vec<_>, AdviseError>>()?;
    let lru = Lru::new(&requests, timeout);
    let allowance = (requests.sessions.len() as f64 * TOLERANCE) as u64;
    let wanted = lru.most().saturating_sub(allowance);
    let best = match replay::smallest(&tried, wanted, &mut hits)? {
        Some((capacity, _)) => {
            let capacity = round_up(capacity);
            Some((capacity, hits(capacity)?))
        }
        None => None,
    };
    progress(0, in_all);

    let each = bytes_each(arguments.session_bytes.unwrap_or(SESSION_BYTES))?;
    let stream = Stream {
        requests: &requests,
        lru: &lru,
        lru_is: timeout.map_or("exact LRU", |_| "about LRU"),
        each,
    };
    Ok(format!(
        "{}\n{}\n{}",
        stream.summary(),
        stream.table(&tried),
        stream.recommendation(best)
    ))
}

/// Ascending, each once.
fn capacities(requests: &Requests, arguments: &Advise) -> Vec<usize> {
    let shares = PERCENT.map(|percent| (requests.distinct * percent / 100).max(1));
    let asked = (arguments.capacities.iter()).map(|capacity| capacity.get() as usize);
    let mut all: Vec<usize> = shares.into_iter().chain(asked).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Shows on a terminal how many capacities were tried, and clears the line at the end.
fn progress(tried: usize, in_all: usize) {
    match tried {
        _ if !io::stderr().is_terminal() => {}
        0 => eprint!("\r\x1b[K"),
        tried => eprint!("\r\x1b[Kadvise: capacity {tried} of about {in_all}"),
    }
}

/// What the report is about.
struct Stream<'a> {
    requests: &'a Requests,
    lru: &'a Lru,
    lru_is: &'static str,
    /// Bytes of the cache for each session.
    each: f64,
}

impl Stream<'_> {
    fn share(&self, hits: u64) -> f64 {
        hits as f64 / self.requests.sessions.len() as f64
    }

    fn summary(&self) -> String {
        format!(
            "{} requests for {} sessions; a cache without bounds finds {}.\n",
            count(self.requests.sessions.len() as u64),
            count(self.requests.distinct as u64),
            percent(self.share(self.lru.most())),
        )
    }

    fn table(&self, tried: &[(usize, u64)]) -> String {
        let titles = [
            "capacity",
            "of the sessions",
            "rekindle",
            self.lru_is,
            "memory",
        ];
        let mut lines = vec![titles.map(str::to_owned).to_vec()];
        for (capacity, hits) in tried {
            let of_all = *capacity as f64 / self.requests.distinct as f64;
            lines.push(vec![
                count(*capacity as u64),
                percent(of_all),
                percent(self.share(*hits)),
                percent(self.share(self.lru.hits(*capacity))),
                bytes(self.each * *capacity as f64),
            ]);
        }
        table(&lines)
    }

    fn recommendation(&self, best: Option<(usize, u64)>) -> String {
        if self.lru.most() == 0 {
            return "No session is asked for a second time: a cache gains nothing here.\n".into();
        }
        let most = percent(self.share(self.lru.most()));
        let Some((capacity, hits)) = best else {
            return format!(
                "None of these is within one percentage point of {most}. Try larger --capacities.\n"
            );
        };
        let mut text = format!(
            "Recommended: --sessions {capacity}. It is about the smallest that comes within one \
             percentage point of {most}:\n\
             it finds {}. When full it takes {} ({:.0} bytes a session in all).\n",
            percent(self.share(hits)),
            bytes(self.each * capacity as f64),
            self.each,
        );
        if (self.requests.sessions.len() as f64) < ENOUGH {
            text.push_str("With so few requests that is hardly more than chance.\n");
        }
        text
    }
}
