//! Numbers for people.

/// With a comma at each thousand.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Bytes, in the unit that leaves the fewest digits.
pub(crate) fn bytes(bytes: f64) -> String {
    let mut rest = bytes;
    for unit in ["bytes", "KiB", "MiB", "GiB"] {
        if rest < 1_000.0 {
            let digits = usize::from(unit != "bytes" && rest < 10.0);
            return format!("{rest:.digits$} {unit}");
        }
        rest /= 1_024.0;
    }
    format!("{rest:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        let counts = [0, 999, 1_000, 12_345_678].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "12,345,678"]);
        let sizes = [12.0, 1_000.0, 3_500_000.0, 5e9, 1e15].map(bytes);
        assert_eq!(
            sizes,
            ["12 bytes", "1.0 KiB", "3.3 MiB", "4.7 GiB", "909.5 TiB"]
        );
        assert_eq!(percent(0.12345), "12.3 %");
    }
}
