//! The text of the file, and its lines.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::error::Reason;

/// Room for the paths of some thousand certificates.
const LONGEST: usize = 256 * 1024;

/// A text, and where its lines end.
#[derive(Debug)]
pub(super) struct FileText {
    pub(super) text: String,
    ends: Vec<usize>,
}

impl FileText {
    /// Reads a regular file, and no more of it than a file of settings can have. The error comes
    /// with its line, if it has one.
    pub(super) fn read(path: &Path) -> Result<Self, (Option<usize>, Reason)> {
        let bytes = read(path).map_err(|reason| (None, reason))?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(text)),
            Err(error) => {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
                Err((Some(line), Reason::NotUtf8))
            }
        }
    }

    pub(super) fn new(text: String) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { text, ends }
    }

    /// The number of the line, from 1, in which a byte is.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.ends.partition_point(|end| *end < at)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Reason> {
    // Opening a pipe would wait for its other end.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    // Reading a device might not end, and a pipe could not be read again at SIGHUP.
    if !file.metadata()?.is_file() {
        return Err(Reason::NotAFile);
    }
    let mut bytes = Vec::new();
    file.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() {
        0..=LONGEST => Ok(bytes),
        _ => Err(Reason::TooLong(LONGEST)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one() {
        let text = FileText::new("ab\n\nc".into());
        let lines: Vec<_> = (0..6).map(|at| text.line(at)).collect();
        assert_eq!(lines, [1, 1, 1, 2, 3, 3]);
        assert_eq!(FileText::new(String::new()).line(0), 1);
    }
}
