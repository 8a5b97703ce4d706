//! Keys as bytes, and files of them in each format: the formats written a second time.

use std::fmt::Write as _;

use base64ct::{Base64, Encoding};
use rekindle_key_files::TicketKeyFormat as Format;

use crate::records;

/// The parts of a key, weak or not. The MAC secret has any length up to 64 bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Raw {
    pub(crate) name: [u8; 16],
    pub(crate) mac: Vec<u8>,
    pub(crate) aes: Vec<u8>,
}

/// Key number `n`, with secrets of the length that the format has.
pub(crate) fn key(format: Format, n: u16) -> Raw {
    let (mac, aes) = match secret(format) {
        Some(len) => (len, len),
        None => (64, 32),
    };
    let bytes = |first: u8, len: usize| {
        let mut bytes = records::secret(u64::from(first) << 16 | u64::from(n), len);
        bytes[0] = first;
        bytes[len - 2..].copy_from_slice(&n.to_be_bytes());
        bytes
    };
    Raw {
        name: bytes(0x22, 16).try_into().unwrap(),
        mac: bytes(0x42, mac),
        aes: bytes(0x82, aes),
    }
}

/// Bytes of each secret, unless each key says so itself.
pub(crate) fn secret(format: Format) -> Option<usize> {
    match format.name().rsplit_once('-') {
        Some((_, "48")) => Some(16),
        Some((_, "80")) => Some(32),
        _ => None,
    }
}

pub(crate) fn is_haproxy(format: Format) -> bool {
    matches!(format, Format::Haproxy48 | Format::Haproxy80)
}

/// A file of these keys, one behind the other. h2o's are valid in turn: key `i` from second 1000 +
/// `i` on.
pub(crate) fn file(format: Format, keys: &[Raw]) -> Vec<u8> {
    let mut content = Vec::new();
    for (i, key) in keys.iter().enumerate() {
        let Raw { name, mac, aes } = key;
        match format {
            Format::Nginx48 => content.extend([&name[..], aes, mac].concat()),
            Format::Haproxy48 | Format::Haproxy80 => {
                let line = Base64::encode_string(&[&name[..], aes, mac].concat());
                content.extend(line.into_bytes());
                content.push(b'\n');
            }
            Format::H2o => content.extend(h2o_item(key, 1000 + i as u64, 9000).into_bytes()),
            _ => content.extend([&name[..], mac, aes].concat()),
        }
    }
    content
}

pub(crate) fn h2o_item(key: &Raw, not_before: u64, not_after: u64) -> String {
    let cipher = 8 * key.aes.len();
    let mut mac = key.mac.clone();
    mac.resize(64, 0);
    format!(
        "- name: {}\n  cipher: AES-{cipher}-CBC\n  hash: SHA256\n  key: {}{}\n  \
         not_before: {not_before}\n  not_after: {not_after}\n",
        hex(&key.name),
        hex(&key.aes),
        hex(&mac)
    )
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
