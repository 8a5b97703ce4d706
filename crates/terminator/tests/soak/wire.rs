//! What clients and upstreams say to each other. Every block of 16 bytes names the request and its
//! place, so a byte that is lost, doubled, moved, or of another connection, shows.

use std::net::{Ipv4Addr, SocketAddr};

pub(crate) const BLOCK: usize = 16;

/// Numbers the request and says how many blocks follow, and how many are to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) upload: u32,
    pub(crate) answer: u32,
}

impl Request {
    pub(crate) fn encode(self) -> [u8; BLOCK] {
        let sizes = u128::from(self.upload) << 32 | u128::from(self.answer);
        (u128::from(self.id) << 64 | sizes).to_be_bytes()
    }

    pub(crate) fn decode(bytes: [u8; BLOCK]) -> Self {
        let all = u128::from_be_bytes(bytes);
        Self {
            id: (all >> 64) as u64,
            upload: (all >> 32) as u32,
            answer: all as u32,
        }
    }

    pub(crate) fn uploaded(self) -> Vec<u8> {
        blocks(self.id, 0, self.upload)
    }

    pub(crate) fn answered(self) -> Vec<u8> {
        blocks(self.id, 1 << 63, self.answer)
    }
}

fn blocks(id: u64, direction: u64, number: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(number as usize * BLOCK);
    for place in 0..u64::from(number) {
        bytes.extend(id.to_be_bytes());
        bytes.extend((direction | place).to_be_bytes());
    }
    bytes
}

/// Where bytes differ from what is expected, with the block that is there.
pub(crate) fn difference(got: &[u8], expected: &[u8]) -> Option<String> {
    let at = got
        .iter()
        .zip(expected)
        .position(|(got, expected)| got != expected);
    let at = at.or((got.len() > expected.len()).then_some(expected.len()))?;
    let block = at - at % BLOCK;
    let found = &got[block..got.len().min(block + BLOCK)];
    Some(format!("byte {at} is wrong, in the block {found:02x?}"))
}

/// What an upstream is told of a client, and the client knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) client: SocketAddr,
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) alpn: String,
    pub(crate) resumed: bool,
}

/// Signature, version and command, family, length.
pub(crate) const HEADER: usize = 16;
const BEGIN: [u8; 14] = *b"\r\n\r\n\0\r\nQUIT\n\x21\x11";
const ADDRESSES: usize = 12;

/// How many bytes follow a header's first ones.
pub(crate) fn header_rest(first: [u8; HEADER]) -> usize {
    assert!(
        first.starts_with(&BEGIN),
        "no header of version 2 with IPv4: {first:?}"
    );
    u16::from_be_bytes([first[14], first[15]]).into()
}

impl Facts {
    /// Reads what follows a header's first bytes.
    pub(crate) fn decode(rest: &[u8]) -> Self {
        let port = u16::from_be_bytes([rest[8], rest[9]]);
        let mut facts = Self {
            client: (Ipv4Addr::new(rest[0], rest[1], rest[2], rest[3]), port).into(),
            version: String::new(),
            name: String::new(),
            alpn: String::new(),
            resumed: false,
        };
        let mut tlvs = &rest[ADDRESSES..];
        while let [kind, high, low, behind @ ..] = tlvs {
            let (value, next) = behind.split_at(u16::from_be_bytes([*high, *low]).into());
            match kind {
                0x01 => facts.alpn = String::from_utf8_lossy(value).into(),
                0x02 => facts.name = String::from_utf8_lossy(value).into(),
                // Flags, the result of verifying, and then the version as the first TLV inside.
                0x20 => {
                    let length = usize::from(value[7]);
                    facts.version = String::from_utf8_lossy(&value[8..8 + length]).into();
                }
                0xE4 => facts.resumed = value == b"rekindle\x01",
                _ => {}
            }
            tlvs = next;
        }
        facts
    }
}
