//! A recorded stream of requests: a line for each, with the session's id (hex or any word), or
//! `TIME ID` with seconds since 1970. Empty lines do not count.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use ahash::RandomState;
use thiserror::Error;

/// The longest line, in bytes, its end not counted.
const MAX_LINE: usize = 1_024;

/// Later than any time in seconds, and earlier than one in milliseconds or microseconds.
const LATEST: f64 = 1e11;

/// Requests in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// The session of each request, numbered from zero in the order of appearance.
    pub(crate) sessions: Vec<u32>,
    /// Number of sessions.
    pub(crate) distinct: usize,
    /// For each request, milliseconds since 1970, never going back; empty if the lines have no
    /// times.
    pub(crate) times: Vec<u64>,
}

/// Reads a file, `-` for standard input. `timed`: each request must have a time.
pub(crate) fn read(path: &Path, timed: bool) -> Result<Requests, RequestsError> {
    if path.as_os_str() == "-" {
        return parse(io::stdin().lock(), "standard input", timed);
    }
    let name = path.display().to_string();
    let file = File::open(path).map_err(|source| RequestsError::Read {
        file: name.clone(),
        source,
    })?;
    parse(BufReader::new(file), &name, timed)
}

fn parse(mut reader: impl BufRead, file: &str, timed: bool) -> Result<Requests, RequestsError> {
    let (mut requests, mut numbers) = (Requests::default(), Numbers::new());
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        // One byte more than fits, to notice that it does not fit, and the end of the line.
        let bounded = (&mut reader).take(MAX_LINE as u64 + 2);
        let read = { bounded }.read_until(b'\n', &mut line);
        let read = read.map_err(|source| RequestsError::Read {
            file: file.to_owned(),
            source,
        })?;
        if read == 0 {
            break;
        }
        let added = requests.add(&line, &mut numbers, timed);
        added.map_err(|source| RequestsError::Line {
            file: file.to_owned(),
            line: number,
            source,
        })?;
    }
    requests.distinct = numbers.0.len();
    if requests.sessions.is_empty() {
        let file = file.to_owned();
        return Err(RequestsError::NoRequests { file });
    }
    Ok(requests)
}

impl Requests {
    fn add(&mut self, line: &[u8], numbers: &mut Numbers, timed: bool) -> Result<(), LineError> {
        if line.strip_suffix(b"\n").unwrap_or(line).len() > MAX_LINE {
            return Err(LineError::TooLong);
        }
        let mut words = (line.split(u8::is_ascii_whitespace)).filter(|word| !word.is_empty());
        let (time, id) = match (words.next(), words.next(), words.next()) {
            (None, ..) => return Ok(()),
            (Some(id), None, _) => (None, id),
            (Some(time), Some(id), None) => (Some(time), id),
            _ => return Err(LineError::Words),
        };
        if id == b"-" {
            return Err(LineError::NoId);
        }
        let with_times = timed || !self.times.is_empty();
        match time {
            Some(time) if with_times || self.sessions.is_empty() => {
                let millis = millis(time).ok_or(LineError::Time)?;
                // Lines of several workers may be slightly out of order: the clock then stands
                // still.
                let latest = self.times.last().copied().unwrap_or(0);
                self.times.push(millis.max(latest));
            }
            // The first line had no time, so this one is no pair of a time and an id.
            Some(_) => return Err(LineError::Words),
            None if with_times => return Err(LineError::TimeMissing),
            None => {}
        }
        if self.sessions.len() == u32::MAX as usize {
            return Err(LineError::TooMany);
        }
        self.sessions.push(numbers.of(id));
        Ok(())
    }
}

fn millis(seconds: &[u8]) -> Option<u64> {
    let seconds: f64 = std::str::from_utf8(seconds).ok()?.parse().ok()?;
    (0.0..LATEST)
        .contains(&seconds)
        .then_some((seconds * 1_000.0) as u64)
}

/// Numbers ids. It keeps 128 bits of two keyed hashes for each: a log of ids can be large, and an
/// id lets its reader ask for the session.
struct Numbers(HashMap<u128, u32, RandomState>, [RandomState; 2]);

impl Numbers {
    fn new() -> Self {
        Self(HashMap::default(), [RandomState::new(), RandomState::new()])
    }

    fn of(&mut self, id: &[u8]) -> u32 {
        let [low, high] = [0, 1].map(|i: usize| u128::from(self.1[i].hash_one(id)));
        // There are never more sessions than requests.
        let next = self.0.len() as u32;
        *self.0.entry(high << 64 | low).or_insert(next)
    }
}

/// Why a file is no stream of requests.
#[derive(Debug, Error)]
pub(crate) enum RequestsError {
    #[error("{file}: {source}")]
    Read { file: String, source: io::Error },
    /// Lines are counted from one.
    #[error("{file}, line {line}: {source}")]
    Line {
        file: String,
        line: u64,
        source: LineError,
    },
    #[error("{file}: no requests")]
    NoRequests { file: String },
}

/// Why a line is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum LineError {
    #[error("longer than {MAX_LINE} bytes")]
    TooLong,
    #[error("expected `ID` or `TIME ID`")]
    Words,
    /// Servers log `-` where there is no id.
    #[error("`-` is no id: leave such requests out")]
    NoId,
    #[error("expected a time in seconds since 1970 before the id")]
    Time,
    /// Other lines have one, or sessions are to end.
    #[error("expected `TIME ID`")]
    TimeMissing,
    #[error("more than 4,294,967,295 requests")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: impl AsRef<[u8]>) -> Result<Requests, RequestsError> {
        parse(text.as_ref(), "log", false)
    }

    #[track_caller]
    fn fails(text: impl AsRef<[u8]>, at: u64, with: LineError) {
        match read(text) {
            Err(RequestsError::Line { file, line, source }) => {
                assert_eq!((file.as_str(), line, source), ("log", at, with));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ids_are_numbered_as_they_come() {
        let requests = read("ab\nAB\r\n\nab\n  0x1f \nAB").unwrap();
        assert_eq!(requests.sessions, [0, 1, 0, 2, 1]);
        assert_eq!((requests.distinct, requests.times.len()), (3, 0));
    }

    #[test]
    fn times_never_go_back() {
        let requests = read("17.25 a\n16 b\n18.5 a\n").unwrap();
        assert_eq!(requests.times, [17_250, 17_250, 18_500]);
    }

    #[test]
    fn what_is_no_request_is_named() {
        fails("a\nb c d\n", 2, LineError::Words);
        fails("a\n1 b\n", 2, LineError::Words);
        fails("1 a\nb\n", 2, LineError::TimeMissing);
        for time in ["x", "-1", "nan", "inf", "1700000000000", "\u{ff11}"] {
            fails(format!("{time} a\n"), 1, LineError::Time);
        }
        fails("\na\n-\n", 3, LineError::NoId);
        fails([&[0xff, 0xfe], &b" a\n"[..]].concat(), 1, LineError::Time);
    }

    #[test]
    fn a_long_line_is_neither_kept_nor_cut() {
        let longest = "i".repeat(MAX_LINE);
        assert_eq!(read(format!("{longest}\na\n")).unwrap().distinct, 2);
        fails(format!("a\n{longest}i\n"), 2, LineError::TooLong);
        fails(format!("a\n{longest}i"), 2, LineError::TooLong);
        let endless = io::repeat(b'i').take(1 << 40);
        let result = parse(BufReader::new(endless), "log", false);
        assert!(matches!(result, Err(RequestsError::Line { line: 1, .. })));
    }

    #[test]
    fn sessions_end_only_by_a_clock() {
        let result = parse(&b"a\nb\n"[..], "log", true);
        let Err(RequestsError::Line { line, source, .. }) = result else {
            panic!("{result:?}");
        };
        assert_eq!((line, source), (1, LineError::TimeMissing));
        assert!(matches!(
            read(" \n\n"),
            Err(RequestsError::NoRequests { .. })
        ));
    }
}
