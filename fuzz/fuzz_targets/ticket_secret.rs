//! Secrets that ticket keys are derived from, of arbitrary bytes, against the rules written a
//! second time. What parses is written, and parses to the same; errors tell nothing of the secret.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rekindle::tickets::{SecretError, TicketSecret};
use rekindle_key_files::{parse_secret, secret_text};

fuzz_target!(|bytes: &[u8]| {
    let expected = parse(bytes);
    let file = match (parse_secret(bytes), &expected) {
        (Ok(file), Some(_)) => file,
        // What looks random is the matter of another target.
        (Err(SecretError::NotRandom(_)), _) => return,
        (Err(error), None) => {
            shows_nothing(&format!("{error} {error:?}"), bytes);
            return;
        }
        (result, expected) => panic!("{result:?}, but {expected:?}"),
    };
    let (digits, period, ratchet, [session_timeout, pace]) = expected.expect("some");
    assert_eq!(
        file.session_timeout.map(|timeout| timeout.as_secs()),
        session_timeout
    );
    assert_eq!(file.pace, pace);
    let secret = &file.secret;
    assert_eq!(secret.period().as_secs(), period);
    assert_eq!(secret.ratchet(), ratchet);
    shows_nothing(&format!("{secret:?}"), bytes);

    let text = secret_text(&file);
    let lower = String::from_utf8(digits).expect("digits").to_lowercase();
    assert!(text.contains(&format!("\nsecret {lower}\n")));
    let again = parse_secret(text.as_bytes()).expect("what was written");
    assert_eq!(*secret_text(&again), *text);
    let again = again.secret;
    assert_eq!(again.period(), secret.period());
    assert_eq!(again.ratchet(), ratchet);

    let index = ratchet.unwrap_or(period);
    let fingerprint = |secret: &TicketSecret, index| {
        let key = secret.key(index).expect("of its own period, or the next");
        key.fingerprint()
    };
    let ours = fingerprint(secret, index);
    assert_eq!(ours, fingerprint(&again, index));
    if let Some(next) = index.checked_add(1) {
        let theirs = fingerprint(secret, next);
        assert_ne!(ours, theirs);
        let ours = again.ratcheted(next).expect("a step");
        assert_eq!(theirs, fingerprint(&ours, next));
    }
    if let Some(at) = ratchet.and_then(|at| at.checked_sub(1)) {
        assert!(secret.key(at).is_err(), "no way leads back");
    }
});

/// Digits, period and ratchet; session timeout and pace.
type Parts = (Vec<u8>, u64, Option<u64>, [Option<u64>; 2]);

/// The parts, if that is what it is.
fn parse(bytes: &[u8]) -> Option<Parts> {
    let mut found: [Option<&[u8]>; 5] = [None; 5];
    for line in bytes.split(|byte| *byte == b'\n') {
        let line: Vec<_> = line
            .split(|byte| b" \t\r\x0c".contains(byte))
            .filter(|word| !word.is_empty())
            .collect();
        match line[..] {
            [] => {}
            [word, ..] if word[0] == b'#' => {}
            [word, value] => {
                let words: [&[u8]; 5] = [
                    b"secret",
                    b"period",
                    b"ratchet",
                    b"session-timeout",
                    b"pace",
                ];
                let which = words.iter().position(|known| *known == word)?;
                if found[which].replace(value).is_some() {
                    return None;
                }
            }
            _ => return None,
        }
    }
    let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse::<u64>().ok();
    let digits = found[0].filter(|digits| digits.len() == 64)?;
    let fits = digits.iter().all(u8::is_ascii_hexdigit);
    let lower = digits.to_ascii_lowercase();
    let repeated = lower.chunks_exact(2).all(|pair| *pair == lower[..2]);
    let period = number(found[1]?).filter(|period| (10..=2_592_000).contains(period))?;
    let optional = |at: usize| match found[at] {
        Some(value) => number(value).map(Some),
        None => Some(None),
    };
    let (ratchet, timeout, pace) = (optional(2)?, optional(3)?, optional(4)?);
    let in_range = timeout.is_none_or(|timeout| (1..=604_800).contains(&timeout));
    let is_secret = fits && !repeated && in_range;
    is_secret.then_some((digits.to_vec(), period, ratchet, [timeout, pace]))
}

/// Nothing of what looks like a secret is shown: twelve digits or more.
fn shows_nothing(shown: &str, bytes: &[u8]) {
    for digits in bytes.split(|byte| !byte.is_ascii_hexdigit()) {
        for part in digits.windows(12) {
            let part = std::str::from_utf8(part).expect("digits");
            // A number of the period is no secret.
            assert!(part.bytes().all(|b| b.is_ascii_digit()) || !shown.contains(part));
        }
    }
}
