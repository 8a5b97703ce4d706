//! Files with a secret that ticket keys are derived from.

use std::path::Path;
use std::time::Duration;

use rekindle::tickets::{SecretError, TicketSecret};
use zeroize::Zeroizing;

use crate::notice::Notice;

/// What is in a file with a secret: the secret, and what its commands and its services agree on.
#[derive(Clone, Debug)]
pub struct SecretFile {
    /// The secret.
    pub secret: TicketSecret,
    /// How long tickets live, whole seconds: the services' session timeout. `None` in files that
    /// do not say.
    pub session_timeout: Option<Duration>,
    /// By how many periods the ratchet was moved on last; `None` if it never was.
    pub pace: Option<u64>,
}

const DAY: u64 = 24 * 60 * 60;

impl SecretFile {
    /// The most periods that its ratchet goes forward at once, unless that is forced: four times as
    /// many as the last time or a day's, of a file that was never moved a week's, and at least two.
    /// More says that the clock is ahead, or that the file was forgotten.
    pub fn most_periods(&self) -> u64 {
        let of_days = |days: u64| days * DAY / self.secret.period().as_secs();
        let most = match self.pace {
            Some(pace) => pace.saturating_mul(4).max(of_days(1)),
            None => of_days(7),
        };
        most.max(2)
    }

    /// What there is to tell of a ratchet that is further behind the wall clock, a duration since
    /// 1970, than it goes at once.
    pub fn lag(&self, path: &Path, unix: Duration) -> Option<Notice> {
        let behind = self
            .secret
            .index(unix)
            .checked_sub(self.secret.ratchet()?)?;
        (behind > self.most_periods()).then(|| Notice::RatchetBehind {
            path: path.into(),
            by: self
                .secret
                .period()
                .saturating_mul(u32::try_from(behind).unwrap_or(u32::MAX)),
        })
    }

    /// What there is to tell of a file whose services are to agree on the session timeout.
    pub fn disagreement(&self, path: &Path, ring: Duration) -> Option<Notice> {
        let file = self.session_timeout.filter(|timeout| *timeout != ring)?;
        let path = path.into();
        Some(Notice::SessionTimeout { path, file, ring })
    }
}

impl From<TicketSecret> for SecretFile {
    fn from(secret: TicketSecret) -> Self {
        Self {
            secret,
            session_timeout: None,
            pace: None,
        }
    }
}

/// Reads a file's content: lines of `word value`; `#` begins a comment.
///
/// ```text
/// # rekindle ticket secret
/// secret 64 hexadecimal digits
/// period 3600
/// session-timeout 7200 (optional: how long tickets live)
/// ratchet 490324       (only with a ratchet: the number of the period that the secret is of)
/// pace 24              (only once the ratchet was moved: by how many periods, the last time)
/// ```
///
/// # Errors
///
/// [`SecretError`] says which line is wrong, and why.
pub fn parse_secret(content: &[u8]) -> Result<SecretFile, SecretError> {
    const WORDS: [&str; 5] = ["secret", "period", "session-timeout", "ratchet", "pace"];
    let syntax = |line, reason| SecretError::Syntax { line, reason };
    let mut values: [Option<(usize, &[u8])>; WORDS.len()] = [None; WORDS.len()];
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
        let known = WORDS.iter().position(|known| known.as_bytes() == word);
        let Some(known) = known else {
            let reason = "expected `secret`, `period`, `session-timeout`, `ratchet` or `pace`";
            return Err(syntax(number, reason));
        };
        if values[known].replace((number, value)).is_some() {
            return Err(syntax(number, "this word has been given before"));
        }
    }
    let number = |(line, value): (usize, &[u8])| {
        let text = std::str::from_utf8(value).ok();
        let number = text.and_then(|text| text.parse::<u64>().ok());
        number.ok_or_else(|| syntax(line, "expected a number"))
    };
    let [secret, period, session_timeout, ratchet, pace] = values;
    let (line, digits) = secret.ok_or(SecretError::Missing("secret"))?;
    let period = number(period.ok_or(SecretError::Missing("period"))?)?;
    let session_timeout = session_timeout.map(|timeout| match number(timeout)? {
        seconds @ 1..=604_800 => Ok(Duration::from_secs(seconds)),
        _ => Err(syntax(timeout.0, "expected 1 to 604800 seconds (7 days)")),
    });
    let session_timeout = session_timeout.transpose()?;
    let ratchet = ratchet.map(number).transpose()?;
    let pace = pace.map(number).transpose()?;
    let mut bytes = Zeroizing::new([0; 32]);
    if digits.len() != 64 || base16ct::mixed::decode(digits, &mut *bytes).is_err() {
        return Err(syntax(line, "expected 64 hexadecimal digits"));
    }
    Ok(SecretFile {
        secret: TicketSecret::new(&bytes, Duration::from_secs(period), ratchet)?,
        session_timeout,
        pace,
    })
}

/// A file's content, as [`parse_secret`] reads it.
pub fn secret_text(file: &SecretFile) -> Zeroizing<String> {
    // Room for all at once: growing would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(256));
    let digits = Zeroizing::new(base16ct::lower::encode_string(file.secret.bytes()));
    text.push_str("# rekindle ticket secret\nsecret ");
    text.push_str(&digits);
    text.push('\n');
    let numbers = [
        ("period", Some(file.secret.period().as_secs())),
        (
            "session-timeout",
            file.session_timeout.map(|timeout| timeout.as_secs()),
        ),
        ("ratchet", file.secret.ratchet()),
        ("pace", file.pace),
    ];
    for (word, number) in numbers {
        if let Some(number) = number {
            text.push_str(&format!("{word} {number}\n"));
        }
    }
    text
}
