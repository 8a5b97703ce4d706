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
//! | a half of 16 letters and digits | 2.8e-10 |
//! | no high bit | 2.3e-10 |
//! | UTF-8 without control characters | 5.4e-11 |
//! | a run of equal bytes | 2.5e-11 |
//! | few values, few differences, few values in a half of 16 | 4.6e-12, 1.3e-12, 1.3e-12 |
//! | replacement characters | 1.5e-12 |
//! | Latin-1 as UTF-8, of three characters | 4.0e-13 |
//! | together, at most | 6.0e-10 |
//!
//! What they do not see: text in encodings of two bytes a character (GB 18030, Big5) and in
//! EBCDIC, and a password of 16 bytes with a special character beside a random secret.

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
            Self::Base64 => f.write_str("base64: decode it (`base64 -d`, or as base64url)"),
            Self::Text => write!(f, "text; {RANDOM}"),
            Self::Recoded => f.write_str(
                "bytes that were read as text and written again: copy the original as binary",
            ),
            Self::Pattern => write!(f, "a pattern; {RANDOM}"),
        }
    }
}

/// What a key's secrets look like, together and each by itself: one may be a password.
pub(super) fn of_key(hmac_secret: &[u8], aes_key: &[u8]) -> Option<Resemblance> {
    let secrets = Zeroizing::new([hmac_secret, aes_key].concat());
    let of_part = |part: &[u8]| match part.len() {
        32.. => of_secret(part),
        _ if part.iter().all(u8::is_ascii_alphanumeric) => Some(Resemblance::Text),
        // Seven or fewer of 16.
        _ => (values(part.iter().copied()) <= 7).then_some(Resemblance::Pattern),
    };
    of_secret(&secrets)
        .or_else(|| of_part(hmac_secret))
        .or_else(|| of_part(aes_key))
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
    const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();
    let content = content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(content);
    let text = content.trim_ascii_start();
    if text.starts_with(b"-----BEGIN ") {
        Some(Resemblance::Pem)
    } else if text.starts_with(b"# rekindle ticket secret") || is_secret(text) {
        Some(Resemblance::TicketSecret)
    } else if text.starts_with(b"- name:") {
        Some(Resemblance::H2o)
    } else if is_der(content) {
        Some(Resemblance::Der)
    } else if content.len() < 32 {
        None
    } else if is_haproxy(text) {
        Some(Resemblance::Haproxy)
    } else if replaced(content) >= 3 {
        Some(Resemblance::Recoded)
    } else {
        of_text(content)
    }
}

/// Whether the digits of a line of base64 are none that random bytes have: all hexadecimal, of one
/// case, or few different ones. Of 64 digits of random bytes, fewer than one in ten billion.
pub fn is_unlikely_base64(digits: &[u8]) -> bool {
    let few = 3 * digits.len().min(64) / 8;
    digits.iter().all(u8::is_ascii_hexdigit)
        || !digits.iter().any(u8::is_ascii_uppercase)
        || !digits.iter().any(u8::is_ascii_lowercase)
        || values(digits.iter().copied()) <= few
}

/// Text, of any content.
fn of_text(bytes: &[u8]) -> Option<Resemblance> {
    let mut digits = bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
    // As some tools print them: pairs between colons, numbers from 0x on.
    let is_hexadecimal = |byte: &u8| byte.is_ascii_hexdigit() || b":,x".contains(byte);
    if digits.clone().all(is_hexadecimal) {
        Some(Resemblance::Hexadecimal)
    } else if !bytes.contains(&b' ') && digits.all(is_base64_digit) {
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

/// Our own format: `secret` and 64 digits.
fn is_secret(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"secret ");
    let digits = digits.and_then(|digits| digits.first_chunk::<64>());
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// A sequence that begins as keys, certificates and PKCS#7, #8 and #12 do. It may have been cut.
/// Of random bytes one in a hundred billion begins so.
fn is_der(content: &[u8]) -> bool {
    let inside = match content {
        [0x30, 0x00..=0x80, inside @ ..]
        | [0x30, 0x81, _, inside @ ..]
        | [0x30, 0x82, _, _, inside @ ..] => inside,
        _ => return false,
    };
    match inside {
        // A version, and behind it a number, bytes or a sequence.
        [0x02, 0x01, 0..=3, 0x02 | 0x04 | 0x30, ..] => true,
        // A certificate, with its version or its number.
        [0x30, 0x82, _, _, 0xA0 | 0x02, ..] | [0x30, 0x81, _, 0xA0 | 0x02, ..] => {
            content[1] >= 0x81
        }
        // An algorithm of ISO or its members: a public key, an encrypted one.
        [0x30, _, 0x06, 0x03..=0x09, 0x2A | 0x2B, ..] => true,
        [0x06, 0x09, 0x2A, 0x86, ..] => true,
        _ => false,
    }
}

/// UTF-8 without control characters, of which the first and the last character may be cut.
fn is_utf8_text(bytes: &[u8]) -> bool {
    let is_text = |c: char| !c.is_control() || c.is_ascii_whitespace();
    is_utf8(bytes, is_text)
}

/// Latin-1 that was written as UTF-8; or bytes for which a decoder had no character.
fn is_recoded(bytes: &[u8]) -> bool {
    let is_latin_1 = || {
        let many = bytes.iter().filter(|byte| **byte >= 0xC0).count() >= 3;
        many && is_utf8(bytes, |c| c <= '\u{FF}')
    };
    replaced(bytes) >= 2 || is_latin_1()
}

/// The number of replacement characters.
fn replaced(bytes: &[u8]) -> usize {
    const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();
    let parts = bytes.windows(REPLACEMENT.len());
    parts.filter(|part| *part == REPLACEMENT).count()
}

/// UTF-8 of such characters, of which the first and the last may be cut.
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

/// Every other byte is zero, as ASCII is in UTF-16, but for a byte order mark.
fn is_utf16(bytes: &[u8]) -> bool {
    let bytes = match bytes {
        [0xFF, 0xFE, text @ ..] | [0xFE, 0xFF, text @ ..] => text,
        text => text,
    };
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
    values(bytes) <= (5 * count / 8).saturating_sub(2)
}

/// How many different values there are.
fn values(bytes: impl Iterator<Item = u8>) -> usize {
    let mut seen = [false; 256];
    bytes.for_each(|byte| seen[usize::from(byte)] = true);
    seen.into_iter().filter(|seen| *seen).count()
}
