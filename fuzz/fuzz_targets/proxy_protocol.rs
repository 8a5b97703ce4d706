//! Bytes of a connection, read by the terminator's parser of PROXY headers; and what it has read,
//! written by its encoder.
//!
//! More bytes never change what was complete or refused, and a complete header's beginnings are
//! all incomplete. The first byte chooses: bytes as they come, or behind the beginning of a header
//! that is valid so far, or a binary header with a length and a checksum that are right.
#![no_main]

#[allow(dead_code, unused_imports, reason = "the terminator uses more of it")]
#[path = "../../crates/terminator/src/serve/proxy_protocol/mod.rs"]
mod proxy_protocol;

use std::net::{IpAddr, SocketAddr};

use libfuzzer_sys::fuzz_target;

use proxy_protocol::{
    Addresses, ClientCertificate, MAX_RECEIVED, Outgoing, Parse, TlsFacts, Version, parse,
};

/// What a receiver takes in one read (`outgoing::MAX_SENT`).
const MAX_SENT: usize = 536;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const BEGINNINGS: [&[u8]; 6] = [
    b"",
    b"PROXY ",
    b"PROXY TCP4 ",
    b"PROXY TCP6 ",
    b"PROXY UNKNOWN ",
    SIGNATURE,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    let beginning = BEGINNINGS.get(usize::from(choice % 8));
    let connection = match beginning {
        Some(beginning) => [beginning, rest].concat(),
        None => binary(rest),
    };
    check(&connection);
    send(rest);
});

/// A header whose length is right; also its checksum, which is its last TLV.
fn binary(rest: &[u8]) -> Vec<u8> {
    let mut header = [SIGNATURE, rest].concat();
    header.resize(header.len().max(16), 0);
    header.extend([3, 0, 4, 0, 0, 0, 0]);
    let length = (header.len() - 16) as u16;
    header[14..16].copy_from_slice(&length.to_be_bytes());
    let checksum = crc32c(&header).to_be_bytes();
    let at = header.len() - 4;
    header[at..].copy_from_slice(&checksum);
    header
}

/// Bit by bit, other than the parser's.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1 == 1;
            crc = crc >> 1 ^ if carry { 0x82F6_3B78 } else { 0 };
        }
    }
    !crc
}

fn check(connection: &[u8]) {
    let whole = parse(connection);
    let mut ended = None;
    for cut in 0..=connection.len() {
        let part = parse(&connection[..cut]);
        match (ended, part) {
            (None, Ok(Parse::Incomplete)) => {}
            (None, Ok(Parse::Complete { length, .. })) => {
                assert_eq!(length, cut, "complete at its last byte, not later");
                ended = Some(part);
            }
            (None, Err(_)) => ended = Some(part),
            (Some(Ok(_)), _) => assert_eq!(Some(part), ended),
            (Some(Err(_)), _) => assert!(part.is_err()),
        }
    }
    let Ok(parsed) = whole else {
        return;
    };
    let more = [connection, b"\r\n\x16\x03\x01"].concat();
    match parsed {
        Parse::Complete { header, length } => {
            assert!(length <= connection.len());
            assert_eq!(parse(&more), whole);
            again(header.addresses);
        }
        Parse::Incomplete => assert!(connection.len() < MAX_RECEIVED),
    }
}

/// What was read comes back as it is written, in either version.
fn again(addresses: Option<Addresses>) {
    let outgoing = Outgoing {
        addresses,
        tls: None,
    };
    for version in [Version::V1, Version::V2] {
        assert_eq!(addresses_of(&outgoing, version), addresses);
    }
}

fn addresses_of(outgoing: &Outgoing<'_>, version: Version) -> Option<Addresses> {
    let mut out = b"..".to_vec();
    outgoing.encode(version, &mut out);
    let header = &out[2..];
    assert!(header.len() <= MAX_SENT);
    match parse(header) {
        Ok(Parse::Complete {
            header: read,
            length,
        }) if length == header.len() => read.addresses,
        other => panic!("{other:?} of {}", header.escape_ascii()),
    }
}

/// Facts with lengths and contents from the fuzzer: all of them make headers that are read.
fn send(bytes: &[u8]) {
    let Some((&[source, destination, flags, ports], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let Some((&lengths, rest)) = rest.split_first_chunk::<4>() else {
        return;
    };
    let text = String::from_utf8_lossy(rest);
    let [cipher, alpn, server_name, common_name] = lengths.map(|length| {
        let times = usize::from(length) / text.len().max(1);
        text.repeat(times)
    });
    let set = |bit: u8| flags & 1 << bit != 0;
    let certificate = ClientCertificate {
        common_name: set(0).then_some(&common_name),
        in_this_handshake: set(1),
        verify_result: u32::from(flags),
    };
    let tls = TlsFacts {
        version: "TLSv1.3",
        cipher: set(2).then_some(&cipher),
        alpn: set(3).then_some(alpn.as_bytes()),
        server_name: set(4).then_some(&server_name),
        client_certificate: set(5).then_some(certificate),
        resumed: set(6),
        early_data: set(7),
    };
    let addresses = Addresses {
        source: address(source, ports.into()),
        destination: address(destination, u16::from(ports) * 257),
    };
    let outgoing = Outgoing {
        addresses: Some(addresses),
        tls: Some(tls),
    };
    let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let expected = Addresses {
        source: plain(addresses.source),
        destination: plain(addresses.destination),
    };
    for version in [Version::V1, Version::V2] {
        assert_eq!(addresses_of(&outgoing, version), Some(expected));
    }
}

/// IPv4, IPv4 in IPv6, or IPv6.
fn address(byte: u8, port: u16) -> SocketAddr {
    let ip = match byte % 3 {
        0 => IpAddr::from([byte; 4]),
        1 => IpAddr::from([0, 0, 0, 0, 0, 0xFFFF, byte.into(), byte.into()]),
        _ => IpAddr::from([byte; 16]),
    };
    SocketAddr::new(ip, port)
}
