//! The session id context: what a session belongs to.
//!
//! OpenSSL resumes a session only under the context that it was made under, so servers that share
//! ticket keys must share the context as well.

use std::str::FromStr;

/// `SSL_MAX_SID_CTX_LENGTH` of OpenSSL.
const LONGEST: usize = 32;
const HEX: &str = "hex:";

/// 1 to 32 bytes: text as it is, or hexadecimal digits behind `hex:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionIdContext(Vec<u8>);

impl SessionIdContext {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for SessionIdContext {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = match text.strip_prefix(HEX) {
            Some(digits) => from_hex(digits)?,
            None => text.into(),
        };
        match bytes.len() {
            0 => Err(format!("it is empty: expected 1 to {LONGEST} bytes")),
            1..=LONGEST => Ok(Self(bytes)),
            many => Err(format!("{many} bytes: expected 1 to {LONGEST}")),
        }
    }
}

fn from_hex(digits: &str) -> Result<Vec<u8>, String> {
    if let Some(other) = digits.chars().find(|digit| !digit.is_ascii_hexdigit()) {
        return Err(format!("`{other}` is no hexadecimal digit"));
    }
    if !digits.len().is_multiple_of(2) {
        return Err(format!(
            "{} hexadecimal digits: expected two for each byte",
            digits.len()
        ));
    }
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16);
    let bytes: Result<_, _> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<u8>, String> {
        text.parse::<SessionIdContext>().map(|context| context.0)
    }

    #[test]
    fn text_and_digits() {
        assert_eq!(parsed("haproxy"), Ok(b"haproxy".to_vec()));
        assert_eq!(parsed("hex:00fFA0"), Ok(vec![0, 0xff, 0xa0]));
        // Only at the start, and only as it is written.
        assert_eq!(parsed("my hex:00"), Ok(b"my hex:00".to_vec()));
        assert_eq!(parsed("HEX:00"), Ok(b"HEX:00".to_vec()));
    }

    #[test]
    fn as_long_as_openssl_takes_it() {
        assert_eq!(parsed(&"x".repeat(32)).unwrap().len(), 32);
        assert_eq!(
            parsed(&format!("hex:{}", "ab".repeat(32))).unwrap(),
            [0xab; 32]
        );
        for text in ["x".repeat(33), format!("hex:{}", "ab".repeat(33))] {
            assert!(parsed(&text).unwrap_err().starts_with("33 bytes"));
        }
        // Bytes, not characters.
        assert!(parsed(&"é".repeat(17)).unwrap_err().starts_with("34 bytes"));
    }

    #[test]
    fn what_is_refused() {
        for (text, why) in [
            ("", "empty"),
            ("hex:", "empty"),
            ("hex:abc", "3 hexadecimal digits"),
            ("hex:0g", "`g`"),
            ("hex:+1", "`+`"),
            ("hex:0é", "`é`"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
