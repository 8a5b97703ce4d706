//! The text of a file with a secret that ticket keys are derived from.

use std::time::Duration;

use rekindle::tickets::{SecretError, TicketSecret};
use zeroize::Zeroizing;

/// Reads a file's content: lines of `word value`; `#` begins a comment.
///
/// ```text
/// # rekindle ticket secret
/// secret 64 hexadecimal digits
/// period 3600
/// ratchet 490324      (only with a ratchet: the number of the period that the secret is of)
/// ```
///
/// # Errors
///
/// [`SecretError`] says which line is wrong, and why.
pub fn parse_secret(content: &[u8]) -> Result<TicketSecret, SecretError> {
    let syntax = |line, reason| SecretError::Syntax { line, reason };
    let (mut secret, mut period, mut ratchet) = (None, None, None);
    for (line, number) in content.split(|byte| *byte == b'\n').zip(1..) {
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let Some(word) = words.next().filter(|word| !word.starts_with(b"#")) else {
            continue;
        };
        let (Some(value), None) = (words.next(), words.next()) else {
            return Err(syntax(number, "expected a word and one value"));
        };
        let twice = match word {
            b"secret" => secret.replace((number, value)).is_some(),
            b"period" => period.replace((number, value)).is_some(),
            b"ratchet" => ratchet.replace((number, value)).is_some(),
            _ => return Err(syntax(number, "expected `secret`, `period` or `ratchet`")),
        };
        if twice {
            return Err(syntax(number, "this word has been given before"));
        }
    }
    let number = |(line, value): (usize, &[u8])| {
        let text = std::str::from_utf8(value).ok();
        let number = text.and_then(|text| text.parse::<u64>().ok());
        number.ok_or_else(|| syntax(line, "expected a number"))
    };
    let (line, digits) = secret.ok_or(SecretError::Missing("secret"))?;
    let period = number(period.ok_or(SecretError::Missing("period"))?)?;
    let ratchet = ratchet.map(number).transpose()?;
    let mut bytes = Zeroizing::new([0; 32]);
    if digits.len() != 64 || base16ct::mixed::decode(digits, &mut *bytes).is_err() {
        return Err(syntax(line, "expected 64 hexadecimal digits"));
    }
    TicketSecret::new(&bytes, Duration::from_secs(period), ratchet).map_err(|error| match error {
        SecretError::RepeatedByte => syntax(line, "the secret is one repeated byte"),
        error => error,
    })
}

/// A file's content, as [`parse_secret`] reads it.
pub fn secret_text(secret: &TicketSecret) -> Zeroizing<String> {
    // Room for all at once: growing would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(256));
    let digits = Zeroizing::new(base16ct::lower::encode_string(secret.bytes()));
    text.push_str("# rekindle ticket secret\nsecret ");
    text.push_str(&digits);
    text.push_str(&format!("\nperiod {}\n", secret.period().as_secs()));
    if let Some(index) = secret.ratchet() {
        text.push_str(&format!("ratchet {index}\n"));
    }
    text
}
