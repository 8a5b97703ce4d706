//! Streams that were recorded: a file with an id on each line.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::TypedValueParser;

use super::streams::{Stream, evenly};

/// The longest line, in bytes.
const MAX_LINE: usize = 4_096;

/// The sessions that a recorded stream names, in order.
#[derive(Clone, PartialEq, Eq)]
pub struct Trace {
    path: PathBuf,
    sessions: Vec<u32>,
}

/// Why a file is no trace.
#[derive(Debug)]
pub enum TraceError {
    /// The file cannot be read.
    Io(PathBuf, io::Error),
    /// A line, counted from 1, without an id.
    EmptyLine(PathBuf, usize),
    /// A line, counted from 1, of more than 4,096 bytes.
    LongLine(PathBuf, usize),
    /// The file has no line.
    NoRequests(PathBuf),
    /// The file has 2^32 lines or more.
    TooLong(PathBuf),
}

impl Trace {
    /// Reads a file: on each line the id of a session, as any bytes; the line ends with LF or CRLF.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, has a line that is empty or too long, or too few or too many.
    pub fn load(path: &Path) -> Result<Self, TraceError> {
        let io = |error| TraceError::Io(path.to_owned(), error);
        Self::read(path, BufReader::new(File::open(path).map_err(io)?))
    }

    fn read(path: &Path, mut from: impl BufRead) -> Result<Self, TraceError> {
        let mut numbers = HashMap::new();
        let mut sessions = Vec::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            // Two more for the end of the line, and one more to see that it is too long.
            let mut limited = io::Read::take(&mut from, MAX_LINE as u64 + 3);
            let read = limited.read_until(b'\n', &mut line);
            if read.map_err(|error| TraceError::Io(path.to_owned(), error))? == 0 {
                break;
            }
            let id = line.strip_suffix(b"\n").unwrap_or(&line);
            let id = id.strip_suffix(b"\r").unwrap_or(id);
            let number = sessions.len() + 1;
            if id.is_empty() {
                return Err(TraceError::EmptyLine(path.to_owned(), number));
            }
            if id.len() > MAX_LINE {
                return Err(TraceError::LongLine(path.to_owned(), number));
            }
            if u32::try_from(number).is_err() {
                return Err(TraceError::TooLong(path.to_owned()));
            }
            let next = numbers.len() as u32;
            sessions.push(match numbers.get(id) {
                Some(session) => *session,
                None => *numbers.entry(id.to_vec()).or_insert(next),
            });
        }
        if sessions.is_empty() {
            return Err(TraceError::NoRequests(path.to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
            sessions,
        })
    }

    /// Its requests, evenly over `hours`, for sessions that live for `timeout`.
    ///
    /// # Panics
    ///
    /// For more than 2^32 milliseconds: 1,193 hours.
    #[must_use]
    pub fn stream(&self, hours: u32, timeout: Duration) -> Stream {
        let span = hours.checked_mul(60 * 60 * 1_000);
        Stream {
            name: self.path.display().to_string(),
            requests: evenly(self.sessions.iter().copied(), 0..span.expect("49 days")),
            timeout,
            single_use: false,
        }
    }
}

/// Reads traces as they are named on the command line.
#[derive(Clone, Debug)]
pub(super) struct Load;

impl TypedValueParser for Load {
    type Value = Trace;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        path: &OsStr,
    ) -> Result<Trace, clap::Error> {
        let failed = |error: TraceError| {
            let message = format!("{error}\n");
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, message).with_cmd(command)
        };
        Trace::load(Path::new(path)).map_err(failed)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, requests) = (self.path.display(), self.sessions.len());
        write!(f, "Trace({path}, {requests} requests)")
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::EmptyLine(path, line) => write!(f, "{}:{line}: no id", path.display()),
            Self::LongLine(path, line) => {
                write!(f, "{}:{line}: more than {MAX_LINE} bytes", path.display())
            }
            Self::NoRequests(path) => write!(f, "{}: no requests", path.display()),
            Self::TooLong(path) => write!(f, "{}: more than 2^32 lines", path.display()),
        }
    }
}

impl std::error::Error for TraceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: impl AsRef<[u8]>) -> Result<Vec<u32>, String> {
        match Trace::read(Path::new("the file"), text.as_ref()) {
            Ok(trace) => Ok(trace.sessions),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn equal_lines_are_one_session_whatever_ends_them() {
        assert_eq!(read(b"a\nb b\r\na\r\n\xff\nb b"), Ok(vec![0, 1, 0, 2, 1]));
        assert_eq!(read(b"\xff\n\xfe\n\xff"), Ok(vec![0, 1, 0]));
    }

    #[test]
    fn what_is_no_trace_is_refused_by_file_and_line() {
        assert_eq!(read("a\n\nb\n"), Err("the file:2: no id".into()));
        assert_eq!(read("a\r\n\r\n"), Err("the file:2: no id".into()));
        assert_eq!(read(""), Err("the file: no requests".into()));
        let longest = "x".repeat(MAX_LINE);
        assert_eq!(read(format!("{longest}\r\n{longest}")), Ok(vec![0, 0]));
        let longer = Err("the file:1: more than 4096 bytes".into());
        assert_eq!(read(format!("{longest}x\n")), longer);
        let none = Trace::load(Path::new("/no/such/file")).unwrap_err();
        assert!(none.to_string().starts_with("/no/such/file: No such file"));
    }

    #[test]
    fn a_stream_has_its_requests_evenly_over_its_hours() {
        let trace = Trace::read(Path::new("-"), &b"a\nb\na\n"[..]).unwrap();
        let stream = trace.stream(3, Duration::from_secs(1));
        let seen: Vec<_> = (stream.requests.iter().map(|r| (r.session, r.at))).collect();
        assert_eq!(seen, [(0, 0), (1, 3_600_000), (0, 7_200_000)]);
    }
}
