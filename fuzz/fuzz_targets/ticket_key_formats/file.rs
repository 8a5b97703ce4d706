//! Files of keys, whole or damaged, or arbitrary bytes.

use arbitrary::Unstructured;
use base64ct::{Base64, Encoding};
use rekindle_key_files::TicketKeyFormat as Format;

use crate::byte;
use crate::raw::{self, Raw, h2o_item, hex};
use crate::records;

/// When the first of h2o's keys begin, in seconds since 1970.
pub(crate) const BEGINNING: u64 = 1_700_000_000;

pub(crate) struct File {
    pub(crate) content: Vec<u8>,
    secrets: Vec<Vec<u8>>,
}

impl File {
    /// Arbitrary bytes, or a file of some keys in which some bytes may have changed.
    pub(crate) fn new(format: Format, u: &mut Unstructured<'_>) -> Self {
        let mut file = Self {
            content: Vec::new(),
            secrets: Vec::new(),
        };
        let how = byte(u);
        if how >= 0xC0 {
            file.content = u.bytes(u.len()).expect("as many as there are").to_vec();
            return file;
        }
        for _ in 0..how % 8 {
            file.add(format, u);
        }
        for _ in 0..how / 16 % 4 {
            file.change(u);
        }
        file
    }

    fn add(&mut self, format: Format, u: &mut Unstructured<'_>) {
        let (name, mac, aes, times) = (byte(u), byte(u), byte(u), byte(u));
        let name = [name; 16];
        let (mac_len, aes_len) = match (format.cipher(), times) {
            (Some(cipher), _) => (cipher.key_len(), cipher.key_len()),
            // As long as the format's, or padded to that.
            (None, 0x80..) => ([16, 32, 64, 64][usize::from(mac / 64)], 16),
            (None, _) => ([16, 32, 64, 64][usize::from(mac / 64)], 32),
        };
        let (mac, aes) = (secret(mac, mac_len), secret(aes, aes_len));
        self.secrets.extend([mac.clone(), aes.clone()]);
        let key = Raw { name, mac, aes };
        if format == Format::H2o {
            let (not_before, not_after) = validity(times);
            self.content
                .extend(h2o_item(&key, not_before, not_after).into_bytes());
        } else {
            self.content.extend(raw::file(format, &[key]));
        }
    }

    fn change(&mut self, u: &mut Unstructured<'_>) {
        let (how, new) = (byte(u), byte(u));
        let at = usize::from(u.arbitrary::<u16>().unwrap_or(0));
        let at = at % (self.content.len() + 1);
        match how % 6 {
            0 => self.content.truncate(at),
            1 => self.content.insert(at, new),
            2 => drop(self.content.drain(at..(at + 1).min(self.content.len()))),
            3 => {
                let text: [&[u8]; 8] = [
                    b"\r\n", b"\n\n", b" # ", b"\n---\n", b"  ", b"\n- ", b"=", b"\"",
                ];
                let text = text[usize::from(new) % text.len()];
                self.content.splice(at..at, text.iter().copied());
            }
            // Some of it twice.
            4 => {
                let end = (at + usize::from(new)).min(self.content.len());
                let part = self.content[at..end].to_vec();
                self.content.splice(at..at, part);
            }
            _ => {
                if let Some(byte) = self.content.get_mut(at) {
                    *byte = new;
                }
            }
        }
    }

    /// A text about the file shows nothing of its secrets, in whichever way they are written.
    pub(crate) fn shown_in(&self, text: &str) {
        let lower = text.to_lowercase();
        for part in self
            .secrets
            .iter()
            .flat_map(|secret| secret.chunks_exact(6))
        {
            // Zeros are no secret, and frequent.
            if part.iter().all(|byte| *byte == part[0]) {
                continue;
            }
            assert!(!lower.contains(&hex(part)), "{text}");
            assert!(!text.contains(&Base64::encode_string(part)), "{text}");
            let decimals = format!("{part:?}");
            assert!(!text.contains(decimals.trim_matches(['[', ']'])), "{text}");
            // A fingerprint shows hexadecimal digits, any by chance.
            if part.iter().all(u8::is_ascii_hexdigit) {
                continue;
            }
            let raw = String::from_utf8_lossy(part);
            assert!(raw.contains('\u{FFFD}') || !text.contains(&*raw), "{text}");
        }
    }
}

/// Looks random; the least ones are weak, or look padded.
fn secret(n: u8, len: usize) -> Vec<u8> {
    let mut secret = records::secret(n.into(), len);
    match n {
        0 | 1 => secret.fill(n),
        2 => secret[len / 2..].fill(0),
        _ => {}
    }
    secret
}

fn validity(times: u8) -> (u64, u64) {
    match times % 16 {
        15 => (0, u64::MAX),
        14 => (u64::MAX, u64::MAX),
        13 => (1, 0),
        n => {
            let begin = BEGINNING + 16 * u64::from(n);
            (begin, begin + 16 * u64::from(times / 16 % 8))
        }
    }
}
