//! Ticket keys, and the files that each server reads them from. Written from what the servers'
//! sources say, independently of the library.

use openssl::base64::encode_block;
use openssl::rand::rand_bytes;

pub(crate) const NAME: usize = 16;

/// How many keys a file holds here: HAProxy asks for at least three, and does not use more.
pub(crate) const KEYS: usize = 4;

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: Vec<u8>,
    pub(crate) hmac: Vec<u8>,
    pub(crate) aes: Vec<u8>,
}

impl Key {
    fn random(secret: usize) -> Self {
        let bytes = |length| {
            let mut bytes = vec![0; length];
            rand_bytes(&mut bytes).expect("randomness");
            bytes
        };
        Self {
            name: bytes(NAME),
            hmac: bytes(secret),
            aes: bytes(secret),
        }
    }

    fn record(&self, order: Order) -> Vec<u8> {
        match order {
            Order::HmacAes => [&self.name[..], &self.hmac, &self.aes].concat(),
            Order::AesHmac => [&self.name[..], &self.aes, &self.hmac].concat(),
        }
    }
}

/// What follows the name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    HmacAes,
    AesHmac,
}

/// A format as the terminator's `--ticket-keys-format` names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) name: &'static str,
    order: Order,
    /// Bytes of each of the two secrets: 16 go with AES-128, 32 with AES-256.
    secret: usize,
    base64: bool,
    /// Which of the [`KEYS`] keys seals.
    pub(crate) seals: usize,
}

impl Format {
    pub(crate) const fn binary(name: &'static str, order: Order, secret: usize) -> Self {
        Self {
            name,
            order,
            secret,
            base64: false,
            seals: 0,
        }
    }

    /// Lines of base64, of which the last but one seals.
    pub(crate) const fn lines(name: &'static str, order: Order, secret: usize) -> Self {
        Self {
            name,
            order,
            secret,
            base64: true,
            seals: KEYS - 2,
        }
    }

    /// Whether its server reads each key from a file of its own.
    pub(crate) fn one_key_a_file(&self) -> bool {
        self.name.starts_with("nginx") || self.name.starts_with("apache")
    }

    pub(crate) fn random_keys(&self) -> Vec<Key> {
        (0..KEYS).map(|_| Key::random(self.secret)).collect()
    }

    /// The content of a file with these keys.
    pub(crate) fn file(&self, keys: &[Key]) -> Vec<u8> {
        let entry = |key: &Key| {
            let record = key.record(self.order);
            if self.base64 {
                format!("{}\n", encode_block(&record)).into_bytes()
            } else {
                record
            }
        };
        keys.iter().flat_map(entry).collect()
    }
}
