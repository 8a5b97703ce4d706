//! The store: all that machines have ever said, and how it is altered.

use arbitrary::Arbitrary;
use rekindle_fleet::store::Write;

/// All that was ever written.
#[derive(Debug, Default)]
pub(crate) struct Store(Vec<Said>);

/// What a machine has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) at: At,
    pub(crate) value: Vec<u8>,
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Stream(String),
    Key(Vec<u8>),
}

/// How a value is altered.
#[derive(Arbitrary, Debug)]
pub(crate) enum Alteration {
    Flip {
        at: u16,
        bits: u8,
    },
    Cut(u16),
    Append(Vec<u8>),
    /// Goes on as another value does.
    Join {
        other: u8,
        at: u16,
    },
    /// Other bytes.
    Foreign(Vec<u8>),
}

impl Store {
    pub(crate) fn add(&mut self, writes: Vec<Write>) {
        self.0.extend(writes.into_iter().map(|write| match write {
            Write::Append { stream, value, .. } => Said {
                at: At::Stream(stream),
                value,
            },
            Write::Put { key, value, .. } => Said {
                at: At::Key(key),
                value,
            },
        }));
    }

    pub(crate) fn said(&self, number: u8) -> Option<&Said> {
        self.0.get(usize::from(number) % self.0.len().max(1))
    }

    pub(crate) fn all(&self) -> &[Said] {
        &self.0
    }

    pub(crate) fn altered(&self, value: &[u8], alteration: &Alteration) -> Vec<u8> {
        let (len, mut altered) = (value.len().max(1), value.to_vec());
        match alteration {
            Alteration::Flip { at, bits } => {
                if let Some(byte) = altered.get_mut(usize::from(*at) % len) {
                    *byte ^= bits;
                }
            }
            Alteration::Cut(by) => altered.truncate(usize::from(*by) % len),
            Alteration::Append(bytes) => altered.extend(bytes),
            Alteration::Join { other, at } => {
                altered.truncate(usize::from(*at) % len);
                let rest = self.said(*other).map_or(&[][..], |said| &said.value);
                altered.extend(rest.get(altered.len()..).unwrap_or_default());
            }
            Alteration::Foreign(bytes) => altered.clone_from(bytes),
        }
        altered
    }
}
