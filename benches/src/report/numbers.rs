//! Numbers as people read them.

/// Three digits that count, or all before the point: `0.041`, `1.04`, `35.2`, `12,345`.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => "–".to_owned(),
        99.95.. => grouped(value),
        9.995.. => format!("{value:.1}"),
        0.0 | 0.1.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    let sign = if value < 0.0 { "−" } else { "" };
    format!("{sign}{text}")
}

/// A count that was written with all its digits: `100000` is `100 k`, `4000000` is `4 M`.
pub(super) fn count(digits: &str) -> String {
    match digits.parse::<u64>() {
        Ok(n) if n >= 1_000_000 && n.is_multiple_of(100_000) => {
            format!("{} M", n as f64 / 1e6)
        }
        Ok(n) if n >= 1_000 && n.is_multiple_of(100) => format!("{} k", n as f64 / 1e3),
        _ => digits.to_owned(),
    }
}

/// A number of seconds: `45 s`, `12 min 5 s`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0 => format!("{seconds:.1} s"),
        1..=59 => format!("{whole} s"),
        _ => format!("{} min {} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let texts = [0.0, 0.04123, 0.5, 1.0449, 35.24, 99.96, 1234567.0, -1500.4].map(short);
        let expected = [
            "0.00",
            "0.041",
            "0.50",
            "1.04",
            "35.2",
            "100",
            "1,234,567",
            "−1,500",
        ];
        assert_eq!(texts, expected);
        assert_eq!(short(f64::NAN), "–");
    }
}
