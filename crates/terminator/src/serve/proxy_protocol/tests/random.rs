//! Random bytes, and random addresses there and back.

use std::net::{IpAddr, SocketAddr};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::headers::valid;
use crate::serve::proxy_protocol::{Addresses, Outgoing, Parse, TlsFacts, Version, parse};

/// Of either family, IPv4 in IPv6 among them.
fn address(random: &mut SmallRng) -> SocketAddr {
    let ip: IpAddr = match random.random_range(0..4) {
        0 => random.random::<[u8; 4]>().into(),
        1 => random.random::<[u8; 16]>().into(),
        2 => (u128::from(random.random::<u32>()) | 0xFFFF << 32)
            .to_be_bytes()
            .into(),
        _ => u128::from(random.random::<u16>()).to_be_bytes().into(),
    };
    SocketAddr::new(ip, random.random())
}

fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[test]
fn addresses_come_back_from_either_version() {
    let mut random = SmallRng::seed_from_u64(28);
    let mut out = vec![];
    for _ in 0..20_000 {
        let name = "n".repeat(random.random_range(0..600));
        let (source, destination) = (address(&mut random), address(&mut random));
        let tls = TlsFacts {
            version: "TLSv1.2",
            cipher: random.random::<bool>().then_some("AES128-SHA"),
            alpn: random.random::<bool>().then_some(b"h2"),
            server_name: random.random::<bool>().then_some(&name),
            client_certificate: None,
            resumed: random.random(),
            early_data: random.random(),
        };
        let outgoing = Outgoing {
            addresses: Some(Addresses {
                source,
                destination,
            }),
            tls: random.random::<bool>().then_some(tls),
        };
        for version in [Version::V1, Version::V2] {
            out.clear();
            outgoing.encode(version, &mut out);
            let Ok(Parse::Complete { header, length }) = parse(&out) else {
                panic!("{:?} of {}", parse(&out), out.escape_ascii());
            };
            assert_eq!(length, out.len());
            let sent = Addresses {
                source: plain(source),
                destination: plain(destination),
            };
            assert_eq!(header.addresses, Some(sent));
        }
    }
}

#[test]
fn random_bytes_behind_the_beginning_of_a_header_never_panic() {
    let mut random = SmallRng::seed_from_u64(29);
    let valid = valid();
    for _ in 0..200_000 {
        let (whole, _) = &valid[random.random_range(0..valid.len())];
        let mut bytes = whole[..random.random_range(0..=whole.len().min(120))].to_vec();
        let more = random.random_range(0..300);
        bytes.extend((0..more).map(|_| random.random::<u8>()));
        match parse(&bytes) {
            Ok(Parse::Complete { length, .. }) => assert!(length <= bytes.len()),
            Ok(Parse::Incomplete) | Err(_) => {}
        }
    }
}
