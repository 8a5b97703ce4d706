//! What the advice from a stream and from a terminator have in common: estimates, and tables.

use rekindle::openssl::CachedSession;
use rekindle::{Cache, CacheBuilder, SessionId, Time};

use super::error::AdviseError;

/// A capacity is enough if it loses no more than this share of the requests to one without bounds.
pub(super) const TOLERANCE: f64 = 0.01;
/// With fewer requests than this, or fewer lookups of sampled sessions, chance decides.
pub(super) const ENOUGH: f64 = 1_000.0;
/// Encoded bytes of a TLS session without certificates.
pub(super) const SESSION_BYTES: u32 = 200;
pub(super) const TABLE_BYTES: f64 = CacheBuilder::TABLE_BYTES as f64;

/// All memory for each live session of this many encoded bytes.
pub(super) fn bytes_each(encoded: u32) -> Result<f64, AdviseError> {
    let builder = Cache::builder()
        .capacity(1)
        .max_encoded_len(CacheBuilder::MAX_ENCODED_LEN);
    let cache: Cache<u64> = builder.build().map_err(|source| AdviseError::Cache {
        capacity: 1,
        source,
    })?;
    let encoded = vec![0; encoded as usize];
    let object = CachedSession::OBJECT_BYTES + encoded.len();
    let id = SessionId::new(&[1]).expect("one byte");
    (cache.insert(&id, 0, &encoded, Time::NEVER)).map_err(|_| AdviseError::Refused)?;
    Ok((cache.stats().bytes + object) as f64 + TABLE_BYTES)
}

/// Rounded up to two digits: more would suggest a precision that the estimate lacks.
pub(super) fn round_up(capacity: usize) -> usize {
    let mut unit = 1;
    while capacity / unit >= 100 {
        unit *= 10;
    }
    capacity.div_ceil(unit) * unit
}

/// Columns, the first line being their titles; numbers stand to the right.
pub(super) fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(&format!("  {cell:>width$}"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_rounded_up_to_two_digits() {
        let rounded = [1, 99, 100, 101, 4_210, 99_001].map(round_up);
        assert_eq!(rounded, [1, 99, 100, 110, 4_300, 100_000]);
    }

    #[test]
    fn memory_grows_with_the_session() {
        let [small, large] = [200, 1 << 20].map(|bytes| bytes_each(bytes).unwrap());
        assert!((1_314.0..1_602.0).contains(&small), "{small}");
        assert!(large > f64::from(2 << 20), "{large}");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest() {
        let lines = [vec!["a".into(), "bb".into()], vec!["100".into()]];
        assert_eq!(table(&lines), "    a  bb\n  100\n");
    }
}
