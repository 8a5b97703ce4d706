//! Files of keys, or what may be taken for one.

use std::fmt::Write as _;

use arbitrary::Unstructured;
use base64ct::{Base64, Encoding};
use rekindle::tickets::TicketCipher;
use rekindle_key_files::TicketKeyFormat as Format;

use crate::byte;

/// When the first of h2o's keys begin, in seconds since 1970.
pub(crate) const BEGINNING: u64 = 1_700_000_000;

pub(crate) struct File {
    pub(crate) content: Vec<u8>,
    secrets: Vec<Vec<u8>>,
}

impl File {
    /// Anything, or a file of a few keys in which a few bytes have changed, perhaps.
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
        let short = match format.cipher() {
            Some(cipher) => cipher == TicketCipher::Aes128,
            None => times >= 0x80,
        };
        let aes = secret(aes, if short { 16 } else { 32 });
        match format.cipher() {
            Some(cipher) => {
                let mac = secret(mac, cipher.key_len());
                let hmac_first = !matches!(
                    format,
                    Format::Nginx48 | Format::Haproxy48 | Format::Haproxy80
                );
                let (first, second) = if hmac_first {
                    (&mac, &aes)
                } else {
                    (&aes, &mac)
                };
                let record = [&name[..], first, second].concat();
                if matches!(format, Format::Haproxy48 | Format::Haproxy80) {
                    self.content
                        .extend(Base64::encode_string(&record).into_bytes());
                    self.content.push(b'\n');
                } else {
                    self.content.extend(record);
                }
                self.secrets.push(mac);
            }
            None => {
                // As long as the format's, or padded to that.
                let mut mac = secret(mac, [16, 32, 64, 64][usize::from(mac / 64)]);
                self.secrets.push(mac.clone());
                mac.resize(64, 0);
                let item = h2o(&name, &aes, &mac, times);
                self.content.extend(item.into_bytes());
            }
        }
        self.secrets.push(aes);
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
            // Zeros are no secret, and all over the place.
            if part.iter().all(|byte| *byte == part[0]) {
                continue;
            }
            assert!(!lower.contains(&hex(part)), "{text}");
            assert!(!text.contains(&Base64::encode_string(part)), "{text}");
            let decimals = format!("{part:?}");
            assert!(!text.contains(decimals.trim_matches(['[', ']'])), "{text}");
            let raw = String::from_utf8_lossy(part);
            assert!(raw.contains('\u{FFFD}') || !text.contains(&*raw), "{text}");
        }
    }
}

/// Counts up from `n`; the least ones are weak, or look padded.
fn secret(n: u8, len: usize) -> Vec<u8> {
    let mut secret: Vec<u8> = (0..len as u8).map(|i| n.wrapping_add(i)).collect();
    match n {
        0 | 1 => secret.fill(n),
        2 => secret[len / 2..].fill(0),
        _ => {}
    }
    secret
}

fn h2o(name: &[u8], aes: &[u8], mac: &[u8], times: u8) -> String {
    let bits = 8 * aes.len();
    let (not_before, not_after) = match times % 16 {
        15 => (0, u64::MAX),
        14 => (u64::MAX, u64::MAX),
        13 => (1, 0),
        n => {
            let begin = BEGINNING + 16 * u64::from(n);
            (begin, begin + 16 * u64::from(times / 16 % 8))
        }
    };
    format!(
        "- name: {}\n  cipher: AES-{bits}-CBC\n  hash: SHA256\n  key: {}{}\n  \
         not_before: {not_before}\n  not_after: {not_after}\n",
        hex(name),
        hex(aes),
        hex(mac)
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}
