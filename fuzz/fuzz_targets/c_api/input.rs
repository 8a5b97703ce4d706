//! Decodes the fuzzer's bytes: a few for each call.

use arbitrary::{Arbitrary, Result, Unstructured};
use rekindle_capi::config::rekindle_config;

/// Most calls in one run.
const MAX_CALLS: usize = 200;

#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) calls: Vec<Call>,
}

#[derive(Debug)]
pub(crate) enum Call {
    /// `None`: a null pointer, for the defaults.
    Init(Option<Config>),
    Shutdown,
    Get(Id),
    GetBuffer(Id, Room),
    Insert(Id, Session),
    Remove(Id),
    Take(Id),
    /// Records, or `None` for a null pointer, and their length.
    TicketKeys(Option<Vec<u8>>, i32),
    /// The structure's size field; `None`: a null pointer.
    Stats(Option<usize>),
    /// Whether there is a hook.
    HookAdd(bool),
    Attach(Context),
}

#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) fields: rekindle_config,
    /// The bytes behind the fields, as far as the size goes.
    pub(crate) tail: u8,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Id {
    Null,
    /// Its length and its last byte.
    Valid(usize, u8),
    Invalid(usize),
}

/// The buffer and the length that GetBuffer gets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Room {
    NullLength,
    /// This many bytes more than the session has.
    Around(i32),
    Bytes(usize),
    /// A null pointer, with any length.
    NullBuffer(i32),
    Negative(i32),
    /// A length above any memory's; the buffer is as long as the session.
    Huge(i32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Session {
    Null,
    /// One of a few, see `sessions.rs`.
    Number(usize),
    NotEncodable,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Context {
    Null,
    Fresh,
    /// The last one.
    Again,
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut calls = Vec::new();
        while !u.is_empty() && calls.len() < MAX_CALLS {
            calls.push(call(&mut || u.arbitrary().unwrap_or(0)));
        }
        Ok(Self { calls })
    }
}

fn call(byte: &mut impl FnMut() -> u8) -> Call {
    match byte() {
        0..16 => match byte() {
            // Rare: a cache of 100,000 sessions takes milliseconds to be made and swept.
            0xFF if byte() == 0xA5 && byte() == 0x5A => Call::Init(None),
            flags => Call::Init(Some(config(flags, byte))),
        },
        16..24 => Call::Shutdown,
        24..64 => Call::Get(id(byte())),
        64..112 => Call::GetBuffer(id(byte()), room(byte)),
        112..168 => Call::Insert(
            id(byte()),
            match byte() {
                0xFE => Session::Null,
                0xFF => Session::NotEncodable,
                n => Session::Number(n.into()),
            },
        ),
        168..184 => Call::Remove(id(byte())),
        184..200 => Call::Take(id(byte())),
        200..224 => keys(byte),
        224..240 => Call::Stats(match byte() {
            0 => None,
            n => Some(size(n, 27 * 8)),
        }),
        240..248 => Call::HookAdd(byte() >= 64),
        // Rare: to make a context takes longer than any other call.
        248 if byte() == 0xA5 => Call::Attach(Context::Fresh),
        248..252 => Call::Attach(Context::Again),
        _ => Call::Attach(Context::Null),
    }
}

fn config(flags: u8, byte: &mut impl FnMut() -> u8) -> Config {
    let fields = rekindle_config {
        size: match flags % 4 {
            3 => size(byte(), 40),
            _ => 40,
        },
        sessions: match byte() {
            0xFF => usize::MAX,
            0xFE => (1 << 32) + 1,
            n => 1 + usize::from(n) % 64,
        },
        max_bytes: match byte() {
            n @ 0x80.. => 4_096 * usize::from(n & 0x7F),
            n => 16 * usize::from(n),
        },
        max_session_bytes: match byte() {
            0xFF => usize::MAX,
            0xFE => (1 << 20) + 1,
            0xFD => 1 << 20,
            n => usize::from(n) * usize::from(n),
        },
        session_timeout: match flags / 4 % 4 {
            0 => 0,
            1 => u32::MAX,
            _ => byte().into(),
        },
        reserved: u32::from(flags >= 0xF0),
        ..rekindle_config::default()
    };
    let tail = if flags & 0x80 == 0 { 0 } else { byte() };
    Config { fields, tail }
}

/// Sizes around the one that is right, and absurd ones.
fn size(n: u8, right: usize) -> usize {
    match n {
        0xFF => usize::MAX,
        0xFE => 1 << 63,
        0xFD => 1 << 32,
        0xFC => 4_097,
        0xFB => 4_096,
        0xFA => 0,
        0xC0.. => right,
        n => right - 24 + usize::from(n % 64),
    }
}

fn id(n: u8) -> Id {
    const MOST: usize = isize::MAX as usize;
    const INVALID: [usize; 8] = [0, 33, 64, 255, 256 + 1, 1 << 32, MOST, usize::MAX];
    match n {
        0xFF => Id::Null,
        0xE0.. => Id::Invalid(INVALID[usize::from(n % 8)]),
        n => Id::Valid(1 + usize::from(n % 32), n / 32),
    }
}

fn room(byte: &mut impl FnMut() -> u8) -> Room {
    let kind = byte();
    let n = i32::from(byte());
    match kind % 8 {
        0 => Room::Around(0),
        1 => Room::Around(1),
        2 => Room::Around(-1),
        3 => Room::Around(n - 128),
        4 => Room::Bytes(8 * n as usize),
        5 if n == 0 => Room::NullLength,
        5 => Room::NullBuffer(n - 128),
        6 => Room::Negative(if n == 0 { i32::MIN } else { -n }),
        _ => Room::Huge(i32::MAX - n),
    }
}

fn keys(byte: &mut impl FnMut() -> u8) -> Call {
    let (kind, n) = (byte(), byte());
    let mut bytes: Vec<u8> = match kind {
        0xFF => return Call::TicketKeys(None, (i32::from(n) - 128) * 48),
        0xFE => {
            let len = if n == 0 { i32::MIN } else { -i32::from(n) };
            return Call::TicketKeys(Some(vec![]), len);
        }
        0x40.. => (0..n % 4).flat_map(|_| record(byte())).collect(),
        _ => (0..n).map(|_| byte()).collect(),
    };
    if kind >= 0x40 {
        // Up to three records, cut off or followed by zeros.
        bytes.resize((bytes.len() + usize::from(kind % 64)).saturating_sub(32), 0);
    }
    let len = bytes.len() as i32;
    Call::TicketKeys(Some(bytes), len)
}

/// Record 0 is all zero, record 1 is one repeated byte; from 0xF0 on they have the secrets of one
/// of the first.
fn record(n: u8) -> [u8; 48] {
    match n {
        0 | 1 => [n; 48],
        2..0xF0 => crate::rules::record(n, n),
        _ => crate::rules::record(n, n - 0xEE),
    }
}
