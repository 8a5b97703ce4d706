//! What bytes look like that were not drawn at random: text, in any encoding, and patterns.
//!
//! A private key's PEM, a password or the output of `openssl rand -hex` fills a record as well as
//! random bytes do, and makes keys that an attacker can guess in part or in whole.
//!
//! Of 32 random bytes, the shortest secrets of a key, fewer than one in a billion are refused
//! (longer ones less often by far):
//!
//! | rule | random bytes that it refuses |
//! |---|---|
//! | no high bit, or Latin-1 as UTF-8 | 5.6e-10 |
//! | a half of 16 letters and digits | 2.8e-10 |
//! | UTF-8 without control characters | 5.4e-11 |
//! | a run of equal bytes | 2.5e-11 |
//! | few values, few differences | 4.6e-12, 1.3e-12 |
//! | replacement characters | 1.5e-12 |
//! | together, at most | 9.3e-10 |

use std::fmt;
use std::ops::RangeInclusive;

use zeroize::Zeroizing;

/// What content or a secret looks like that was not drawn at random. `Display` says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resemblance {
    /// PEM: a private key, a certificate, or ticket keys in base64.
    Pem,
    /// DER or PKCS#12: a private key or a certificate.
    Der,
    /// The text of a secret that ticket keys are derived from.
    TicketSecret,
    /// h2o's YAML.
    H2o,
    /// Lines of base64 of ticket keys, as HAProxy has them.
    Haproxy,
    /// Hexadecimal digits.
    Hexadecimal,
    /// Base64.
    Base64,
    /// Text in ASCII, UTF-8 or UTF-16; letters and digits where a key or a secret should be.
    Text,
    /// Bytes that a program has read as text and written again: its random bytes are lost.
    Recoded,
    /// A counter, a repeated pattern, a run of equal bytes.
    Pattern,
}

impl fmt::Display for Resemblance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const RANDOM: &str = "ticket keys are random bytes: `openssl rand`, or `keys generate`";
        match self {
            Self::Pem => write!(f, "PEM, such as a private key; {RANDOM}"),
            Self::Der => write!(f, "a private key or a certificate in DER; {RANDOM}"),
            Self::TicketSecret => f.write_str(
                "a secret to derive ticket keys from, which is configured as a secret \
                 (`--ticket-secret`, `--format secret`)",
            ),
            Self::H2o => f.write_str("h2o's YAML: name that format, or `keys convert` it"),
            Self::Haproxy => f.write_str(
                "lines of base64, as HAProxy has them: name that format, or `keys convert` it",
            ),
            Self::Hexadecimal => f.write_str("hexadecimal digits: decode them (`xxd -r -p`)"),
            Self::Base64 => f.write_str("base64: decode it (`base64 -d`)"),
            Self::Text => write!(f, "text; {RANDOM}"),
            Self::Recoded => f.write_str(
                "bytes that were read as text and written again: copy the original as binary",
            ),
            Self::Pattern => write!(f, "a pattern; {RANDOM}"),
        }
    }
}

/// What a key's secrets look like together. One of the two may be a password.
pub(super) fn of_key(hmac_secret: &[u8], aes_key: &[u8]) -> Option<Resemblance> {
    let is_password = |secret: &[u8]| secret.iter().all(u8::is_ascii_alphanumeric);
    let secrets = Zeroizing::new([hmac_secret, aes_key].concat());
    of_secret(&secrets).or_else(|| {
        let is_text = is_password(hmac_secret) || is_password(aes_key);
        is_text.then_some(Resemblance::Text)
    })
}

/// What a secret looks like. 32 bytes or more: of shorter ones too little is known.
pub(super) fn of_secret(secret: &[u8]) -> Option<Resemblance> {
    of_text(secret)
        .or_else(|| is_recoded(secret).then_some(Resemblance::Recoded))
        .or_else(|| has_pattern(secret).then_some(Resemblance::Pattern))
        .or_else(|| secret.is_ascii().then_some(Resemblance::Text))
}

/// What a whole file of records looks like. Records have 48 bytes or more.
pub(super) fn of_content(content: &[u8]) -> Option<Resemblance> {
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let text = text.trim_ascii_start();
    if text.starts_with(b"-----BEGIN ") {
        Some(Resemblance::Pem)
    } else if text.starts_with(b"# rekindle ticket secret") || text.starts_with(b"secret ") {
        Some(Resemblance::TicketSecret)
    } else if text.starts_with(b"- name:") {
        Some(Resemblance::H2o)
    } else if is_der(content) {
        Some(Resemblance::Der)
    } else if content.len() < 32 {
        None
    } else if is_haproxy(text) {
        Some(Resemblance::Haproxy)
    } else {
        of_text(content)
    }
}

/// Text, whatever it says.
fn of_text(bytes: &[u8]) -> Option<Resemblance> {
    let mut digits = bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
    if digits.clone().all(u8::is_ascii_hexdigit) {
        Some(Resemblance::Hexadecimal)
    } else if digits.all(is_base64_digit) {
        Some(Resemblance::Base64)
    } else if is_utf8_text(bytes) || is_utf16(bytes) {
        Some(Resemblance::Text)
    } else {
        None
    }
}

/// Lines of base64 of 48 or 80 bytes.
fn is_haproxy(text: &[u8]) -> bool {
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines = lines.filter(|line| !line.is_empty());
    let is_key = |line: &[u8]| [64, 108].contains(&line.len()) && line.iter().all(is_base64_digit);
    lines.clone().count() > 1 && { lines }.all(is_key)
}

fn is_base64_digit(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte)
}

/// A sequence as long as the content, of which the first element is a small number (a key,
/// PKCS#12) or a sequence (a certificate, a public key).
fn is_der(content: &[u8]) -> bool {
    let (length, rest) = match content {
        [0x30, length @ 0..=0x7F, rest @ ..] => (usize::from(*length), rest),
        [0x30, 0x82, high, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
        [0x30, 0x81, length, rest @ ..] => (usize::from(*length), rest),
        _ => return false,
    };
    let number = matches!(rest, [0x02, 0x01, 0..=3, ..]);
    let sequence = matches!(
        rest,
        [0x30, 0x81 | 0x82, ..] | [0x30, 0x05..=0x13, 0x06, ..]
    );
    length == rest.len() && (number || sequence)
}

/// UTF-8 without control characters, of which the first and the last character may be cut.
fn is_utf8_text(bytes: &[u8]) -> bool {
    let is_text = |c: char| !c.is_control() || c.is_ascii_whitespace();
    is_utf8(bytes, is_text)
}

/// Latin-1 that was written as UTF-8, cut at both ends; or bytes for which a decoder had no
/// character.
fn is_recoded(bytes: &[u8]) -> bool {
    const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();
    let replaced = bytes
        .windows(REPLACEMENT.len())
        .filter(|part| *part == REPLACEMENT);
    replaced.count() >= 2 || (!bytes.is_ascii() && is_utf8(bytes, |c| c <= '\u{FF}'))
}

fn is_utf8(bytes: &[u8], is_expected: impl Fn(char) -> bool) -> bool {
    const CONTINUATION: RangeInclusive<u8> = 0x80..=0xBF;
    let cut = bytes
        .iter()
        .take(3)
        .take_while(|byte| CONTINUATION.contains(byte));
    let bytes = &bytes[cut.count()..];
    let whole = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // No length: the end is missing, and nothing is wrong with what is there.
        Err(error) if error.error_len().is_none() => {
            let valid = &bytes[..error.valid_up_to()];
            std::str::from_utf8(valid).expect("valid up to there")
        }
        Err(_) => return false,
    };
    whole.chars().all(is_expected)
}

/// Every other byte is zero, as ASCII is in UTF-16.
fn is_utf16(bytes: &[u8]) -> bool {
    let is_zero = |first| bytes.iter().skip(first).step_by(2).all(|byte| *byte == 0);
    let content = bytes.iter().any(|byte| *byte != 0);
    content && (is_zero(0) || is_zero(1))
}

fn has_pattern(bytes: &[u8]) -> bool {
    /// Equal bytes in a row.
    const RUN: usize = 6;
    let differences = bytes.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let mut runs = bytes.windows(RUN);
    runs.any(|run| run.iter().all(|byte| *byte == run[0]))
        || has_few_values(bytes.iter().copied(), bytes.len())
        || has_few_values(differences, bytes.len() - 1)
}

/// Of 32 bytes, 18 different values or fewer; and so in proportion.
fn has_few_values(bytes: impl Iterator<Item = u8>, count: usize) -> bool {
    let mut seen = [false; 256];
    bytes.for_each(|byte| seen[usize::from(byte)] = true);
    seen.into_iter().filter(|seen| *seen).count() <= (5 * count / 8).saturating_sub(2)
}
