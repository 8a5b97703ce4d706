//! What a session carries of ours, in its ticket's application data.

use super::revocations::ScopeTag;
use super::server_names::NameTag;

/// What every record begins with: that it is Rekindle's, and which version.
const MAGIC: [u8; 4] = *b"RKT\x02";

/// What a session carries of ours. A session without one was made by another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    /// The session's time when the record was written, in seconds since 1970. Another one shows
    /// that a foreign server has renewed the ticket and copied the record.
    pub(crate) session_time: i64,
    /// How old the lineage was at that time, in milliseconds.
    pub(crate) lineage: u64,
    /// The server name that it was made under.
    pub(crate) name: NameTag,
    /// The scope of the context that it was made on.
    pub(crate) scope: ScopeTag,
}

impl SessionRecord {
    pub(crate) const LEN: usize =
        MAGIC.len() + 8 + 8 + size_of::<NameTag>() + size_of::<ScopeTag>();

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let mut rest = &mut bytes[..];
        let mut put = |field: &[u8]| {
            let (now, later) = std::mem::take(&mut rest).split_at_mut(field.len());
            now.copy_from_slice(field);
            rest = later;
        };
        put(&MAGIC);
        put(&self.session_time.to_be_bytes());
        put(&self.lineage.to_be_bytes());
        put(&self.name);
        put(&self.scope);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let (magic, rest) = bytes.split_first_chunk()?;
        let (session_time, rest) = rest.split_first_chunk()?;
        let (lineage, rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_first_chunk()?;
        (*magic == MAGIC).then_some(Self {
            session_time: i64::from_be_bytes(*session_time),
            lineage: u64::from_be_bytes(*lineage),
            name: *name,
            scope: *rest.first_chunk()?,
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_it_was_written() {
        let record = SessionRecord {
            session_time: -2,
            lineage: u64::MAX,
            name: std::array::from_fn(|i| i as u8),
            scope: *b"a scope.",
        };
        let bytes = record.to_bytes();
        assert_eq!(SessionRecord::from_bytes(&bytes), Some(record));
        let short = &bytes[..SessionRecord::LEN - 1];
        for other in [short, &[0; SessionRecord::LEN], b"another program's"] {
            assert_eq!(SessionRecord::from_bytes(other), None);
        }
    }
}
