//! What each format's bytes mean, written out by hand.

use std::time::Duration;

use rekindle::tickets::{KeyRole, TicketKeys, Validity};
use rekindle_key_files::TicketKeyFormat as Format;

use crate::raw::hex;

/// A key: name, MAC secret and encryption key, the latter two in hexadecimal digits.
type Key = (&'static str, &'static str, &'static str);

const SHORT: [Key; 3] = [
    (
        "ticket key no 01",
        "7ae4730f0de0287cfa9d8b4fbc86f641",
        "cce70dbd6c42bc34e3bc360e4c43160c",
    ),
    (
        "ticket key no 02",
        "4ad083081db1dd4f10e41ea8b960adfc",
        "d3b0b4d535d512baaf0b7518f929337a",
    ),
    (
        "ticket key no 03",
        "947897b965fa0b13022f99a43fa6fd6b",
        "7645da6c1388d0a365c6144da6505bd4",
    ),
];
const LONG: [Key; 3] = [
    (
        "ticket key no 01",
        "cae4662bfa6132932a65c0fc4c4a218ec539274b39885d64c3f2781471995f86",
        "a09d424976072491b5acfea720f2e52449a07138a08a033b21636918784b60ea",
    ),
    (
        "ticket key no 02",
        "a9037683dffc41b83915cc840a9b5c55c31de9918baaff4e79e01f62db448fb4",
        "37acb8b6d63b9cbc06f4efaa5644b8402d63862efcbe8a11d0e96402694479e6",
    ),
    (
        "ticket key no 03",
        "fd91c15d648e9d0079600b7872f16657156d4605b8a7b2db53d65995a8b985b1",
        "632b85e08153962601b43e1e6d27bf009c3460d941927c3a859bb07bd1e4e84d",
    ),
];

/// The parts and the role of each key, in the order of the set.
#[track_caller]
fn check(keys: &TicketKeys, expected: &[(Key, KeyRole)]) {
    let found = keys.entries().map(|entry| {
        let key = entry.key();
        let name = String::from_utf8(key.name().to_vec()).unwrap();
        (name, hex(key.hmac_secret()), hex(key.aes_key()), entry.role)
    });
    let expected = expected.iter().map(|((name, mac, aes), role)| {
        let [name, mac, aes] = [name, mac, aes].map(|part| (*part).to_owned());
        (name, mac, aes, *role)
    });
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

/// A record of a name and hexadecimal digits.
fn record(name: &str, digits: &[&str]) -> Vec<u8> {
    let digits = digits.concat();
    let bytes = (0..digits.len()).step_by(2);
    let bytes = bytes.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
    name.bytes().chain(bytes).collect()
}

#[test]
fn traffic_server_and_apache_have_the_mac_secret_first() {
    let first = record(
        "ticket key no 01",
        &[
            "7ae4730f0de0287cfa9d8b4fbc86f641",
            "cce70dbd6c42bc34e3bc360e4c43160c",
        ],
    );
    let second = record(
        "ticket key no 02",
        &[
            "4ad083081db1dd4f10e41ea8b960adfc",
            "d3b0b4d535d512baaf0b7518f929337a",
        ],
    );
    let expected = [(SHORT[0], KeyRole::Seal), (SHORT[1], KeyRole::Open)];
    let file = [&first[..], &second, b"\n"].concat();
    check(&Format::TrafficServer48.parse(&file).unwrap(), &expected);
    check(&Format::Apache48.parse(&first).unwrap(), &expected[..1]);
}

#[test]
fn nginx_48_has_the_encryption_key_first() {
    let file = record(
        "ticket key no 01",
        &[
            "cce70dbd6c42bc34e3bc360e4c43160c",
            "7ae4730f0de0287cfa9d8b4fbc86f641",
        ],
    );
    check(
        &Format::Nginx48.parse(&file).unwrap(),
        &[(SHORT[0], KeyRole::Seal)],
    );
}

#[test]
fn nginx_80_openssl_and_envoy_have_the_mac_secret_first() {
    let file = record(
        "ticket key no 01",
        &[
            "cae4662bfa6132932a65c0fc4c4a218ec539274b39885d64c3f2781471995f86",
            "a09d424976072491b5acfea720f2e52449a07138a08a033b21636918784b60ea",
        ],
    );
    for format in [Format::Nginx80, Format::OpenSsl80, Format::Envoy80] {
        check(&format.parse(&file).unwrap(), &[(LONG[0], KeyRole::Seal)]);
    }
}

#[test]
fn haproxy_48_has_the_next_key_last_and_seals_with_the_one_before() {
    let file = b"dGlja2V0IGtleSBubyAwMcznDb1sQrw047w2DkxDFgx65HMPDeAofPqdi0+8hvZB\n\
                 dGlja2V0IGtleSBubyAwMtOwtNU11RK6rwt1GPkpM3pK0IMIHbHdTxDkHqi5YK38\r\n\
                 \n\
                 dGlja2V0IGtleSBubyAwM3ZF2mwTiNCjZcYUTaZQW9SUeJe5ZfoLEwIvmaQ/pv1r \t";
    let expected = [
        (SHORT[2], KeyRole::Next),
        (SHORT[1], KeyRole::Seal),
        (SHORT[0], KeyRole::Open),
    ];
    check(&Format::Haproxy48.parse(file).unwrap(), &expected);
}

#[test]
fn haproxy_80_has_the_encryption_key_first() {
    let file = b"\
        dGlja2V0IGtleSBubyAwMaCdQkl2BySRtaz+pyDy5SRJoHE4oIoDOy\
        FjaRh4S2DqyuRmK/phMpMqZcD8TEohjsU5J0s5iF1kw/J4FHGZX4Y=\n\
        dGlja2V0IGtleSBubyAwMjesuLbWO5y8BvTvqlZEuEAtY4Yu/L6KEd\
        DpZAJpRHnmqQN2g9/8Qbg5FcyECptcVcMd6ZGLqv9OeeAfYttEj7Q=\n\
        dGlja2V0IGtleSBubyAwM2MrheCBU5YmAbQ+Hm0nvwCcNGDZQZJ8Oo\
        WbsHvR5OhN/ZHBXWSOnQB5YAt4cvFmVxVtRgW4p7LbU9ZZlai5hbE=\n";
    let expected = [
        (LONG[2], KeyRole::Next),
        (LONG[1], KeyRole::Seal),
        (LONG[0], KeyRole::Open),
    ];
    check(&Format::Haproxy80.parse(file).unwrap(), &expected);
}

#[test]
fn h2o_has_the_encryption_key_first_and_includes_its_last_second() {
    let file = b"- name: 7469636b6574206b6579206e6f203031\n\
        \x20 cipher: AES-256-CBC\n\
        \x20 hash: SHA256\n\
        \x20 key: \
        a09d424976072491b5acfea720f2e52449a07138a08a033b21636918784b60ea2f3083d4\
        86b2d48877b0a493c011761865bef640bcee212685b357d6d6c4a29a4e0799f61d6636ea\
        640c8499a1b87e8c7ef4d64f2205532b32449b89b06fe5e1\n\
        \x20 not_before: 1437093283\n\
        \x20 not_after: 1437136482\n\
        - name: 7469636b6574206b6579206e6f203032\n\
        \x20 cipher: AES-128-CBC\n\
        \x20 hash: SHA256\n\
        \x20 key: \
        d3b0b4d535d512baaf0b7518f929337a2f3083d486b2d48877b0a493c011761865bef640\
        bcee212685b357d6d6c4a29a4e0799f61d6636ea640c8499a1b87e8c7ef4d64f2205532b\
        32449b89b06fe5e1\n\
        \x20 not_before: 1437100000\n\
        \x20 not_after: 18446744073709551615\n";
    // As long as a block of SHA-256.
    let mac = "2f3083d486b2d48877b0a493c011761865bef640bcee212685b357d6d6c4a29a\
        4e0799f61d6636ea640c8499a1b87e8c7ef4d64f2205532b32449b89b06fe5e1";
    let timed = |from: u64, until: Duration| {
        KeyRole::Timed(Validity {
            seal_from: Duration::from_secs(from),
            seal_until: until,
            open_until: until,
        })
    };
    // The newest first.
    let (newer, older) = ((SHORT[1].0, mac, SHORT[1].2), (LONG[0].0, mac, LONG[0].2));
    let end = Duration::from_secs(1_437_136_483);
    let expected = [
        (newer, timed(1_437_100_000, Duration::MAX)),
        (older, timed(1_437_093_283, end)),
    ];
    check(&Format::H2o.parse(file).unwrap(), &expected);
}
