//! Times of day as text.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;

/// A time since 1970 as RFC 3339 writes it, in UTC: `2026-11-26T11:10:29Z`. Times beyond the year
/// 9999, for which RFC 3339 has no form, become `never`.
pub(super) fn rfc3339(unix: Duration) -> String {
    let mut text = String::new();
    let time = SystemTime::UNIX_EPOCH.checked_add(unix);
    match time.map(|time| write!(text, "{}", format_rfc3339_seconds(time))) {
        Some(Ok(())) => text,
        _ => "never".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_are_easy_to_get_wrong() {
        // As `date -u -d @N +%FT%TZ` says.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "never"),
            (u64::MAX, "never"),
        ] {
            assert_eq!(rfc3339(Duration::from_secs(seconds)), expected);
        }
    }
}
