//! Version 2: a binary header.

use std::net::IpAddr;

use super::addresses::Addresses;
use super::crc32c::crc32c;
use super::error::HeaderError;
use super::received::{MAX_RECEIVED, Parse, Received};
use super::wire::{
    COMMAND_LOCAL, COMMAND_PROXY, FAMILY_INET, FAMILY_INET6, FAMILY_UNIX, FAMILY_UNSPEC, FIXED,
    SIGNATURE, TLV_HEAD, TRANSPORT_STREAM, TRANSPORT_UNSPEC, TYPE_CRC32C, VERSION_2,
};

/// What the header's addresses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The header says nothing of the client.
    None,
    Inet,
    Inet6,
    Unix,
}

impl Kind {
    /// How many bytes the addresses take.
    fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Inet => 2 * (4 + 2),
            Self::Inet6 => 2 * (16 + 2),
            Self::Unix => 2 * 108,
        }
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Parse, HeaderError> {
    let (signature, rest) = bytes.split_at(bytes.len().min(SIGNATURE.len()));
    if !SIGNATURE.starts_with(signature) {
        return Err(HeaderError::NoHeader);
    }
    // Each of the four bytes is judged as soon as it is there.
    let &[command, ref rest @ ..] = rest else {
        return Ok(Parse::Incomplete);
    };
    let is_local = is_local(command)?;
    let &[family, ref rest @ ..] = rest else {
        return Ok(Parse::Incomplete);
    };
    let kind = if is_local { Kind::None } else { kind(family)? };
    let &[high, low, ..] = rest else {
        return Ok(Parse::Incomplete);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > MAX_RECEIVED {
        return Err(HeaderError::TooLong(length));
    }
    if length < kind.len() {
        let needed = kind.len();
        return Err(HeaderError::NoRoomForAddresses { length, needed });
    }
    let Some(header) = bytes.get(..FIXED + length) else {
        return Ok(Parse::Incomplete);
    };
    let addresses = match kind {
        Kind::None | Kind::Unix => None,
        Kind::Inet => addresses::<4>(&header[FIXED..]),
        Kind::Inet6 => addresses::<16>(&header[FIXED..]),
    };
    if kind != Kind::None {
        check_tlvs(header, FIXED + kind.len())?;
    }
    Ok(Parse::Complete {
        header: Received { addresses },
        length: header.len(),
    })
}

fn is_local(byte: u8) -> Result<bool, HeaderError> {
    match (byte >> 4, byte & 0xF) {
        (VERSION_2, COMMAND_LOCAL) => Ok(true),
        (VERSION_2, COMMAND_PROXY) => Ok(false),
        (VERSION_2, command) => Err(HeaderError::Command(command)),
        (version, _) => Err(HeaderError::Version(version)),
    }
}

/// A datagram's addresses would be valid in a header, but they are not those of a TLS connection.
fn kind(byte: u8) -> Result<Kind, HeaderError> {
    let transport = byte & 0xF;
    let kind = match byte >> 4 {
        FAMILY_UNSPEC => Kind::None,
        FAMILY_INET => Kind::Inet,
        FAMILY_INET6 => Kind::Inet6,
        FAMILY_UNIX => Kind::Unix,
        family => return Err(HeaderError::Family(family)),
    };
    match transport {
        TRANSPORT_STREAM => Ok(kind),
        TRANSPORT_UNSPEC => Ok(Kind::None),
        transport => Err(HeaderError::Transport(transport)),
    }
}

/// Addresses of `N` bytes each, and two ports. `None` if `bytes` are too few.
fn addresses<const N: usize>(bytes: &[u8]) -> Option<Addresses>
where
    IpAddr: From<[u8; N]>,
{
    let (&source, rest) = bytes.split_first_chunk::<N>()?;
    let (&destination, rest) = rest.split_first_chunk::<N>()?;
    let (&source_port, rest) = rest.split_first_chunk()?;
    let (&destination_port, _) = rest.split_first_chunk()?;
    Some(Addresses::new(
        (source.into(), u16::from_be_bytes(source_port)),
        (destination.into(), u16::from_be_bytes(destination_port)),
    ))
}

/// The TLVs from byte `at` on fill the header to its end, and its checksum, if any, is right.
fn check_tlvs(header: &[u8], mut at: usize) -> Result<(), HeaderError> {
    let mut checksum = None;
    while at < header.len() {
        let Some(&[kind, high, low, ref rest @ ..]) = header.get(at..) else {
            return Err(HeaderError::TlvOverrun(at));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(value) = rest.get(..length) else {
            return Err(HeaderError::TlvOverrun(at));
        };
        if kind == TYPE_CRC32C {
            let received = value.try_into().ok().filter(|_| checksum.is_none());
            let received = received.ok_or(HeaderError::MalformedChecksum(at))?;
            checksum = Some((at + TLV_HEAD, u32::from_be_bytes(received)));
        }
        at += TLV_HEAD + length;
    }
    match checksum {
        Some((at, received)) => check_checksum(header, at, received),
        None => Ok(()),
    }
}

/// The checksum is computed with zeros in its own place.
fn check_checksum(header: &[u8], at: usize, received: u32) -> Result<(), HeaderError> {
    let (before, rest) = header.split_at(at);
    let after = rest.iter().skip(4);
    let computed = crc32c(before.iter().chain(&[0; 4]).chain(after));
    if computed == received {
        Ok(())
    } else {
        Err(HeaderError::Checksum { received, computed })
    }
}
