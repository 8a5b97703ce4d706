//! Streams that were recorded.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::time::Duration;

use super::streams::{Stream, evenly};

#[derive(Clone, Debug)]
pub(super) struct Trace {
    name: String,
    sessions: Vec<u32>,
}

impl Trace {
    /// Reads a line for each request, as `rekindle-terminator advise` does: the session's id,
    /// behind a time or alone. Times are not used.
    pub(super) fn load(path: &str) -> io::Result<Self> {
        let (mut sessions, mut numbers) = (Vec::new(), HashMap::new());
        for line in BufReader::new(File::open(path)?).lines() {
            if let Some(id) = line?.split_whitespace().last() {
                let next = numbers.len() as u32;
                sessions.push(*numbers.entry(id.to_owned()).or_insert(next));
            }
        }
        if sessions.is_empty() {
            return Err(io::Error::other("no requests"));
        }
        let name = path.to_owned();
        Ok(Self { name, sessions })
    }

    /// Its requests, evenly over `hours` (at most 1,193), for sessions that live for `timeout`.
    pub(super) fn stream(&self, hours: u32, timeout: Duration) -> Stream {
        let span = hours.checked_mul(60 * 60 * 1_000);
        Stream {
            name: self.name.clone(),
            requests: evenly(self.sessions.iter().copied(), 0..span.expect("49 days")),
            timeout,
            single_use: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_stream_has_its_requests_evenly_over_its_hours() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"a\nb\na\n").unwrap();
        let trace = Trace::load(file.path().to_str().unwrap()).unwrap();
        let stream = trace.stream(3, Duration::from_secs(1));
        let seen: Vec<_> = (stream.requests.iter().map(|r| (r.session, r.at))).collect();
        assert_eq!(seen, [(0, 0), (1, 3_600_000), (0, 7_200_000)]);
    }
}
