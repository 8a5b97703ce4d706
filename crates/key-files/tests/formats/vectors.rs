//! What each format's bytes mean, written out by hand.

use std::time::Duration;

use rekindle::tickets::{KeyRole, TicketKeys, Validity};
use rekindle_key_files::TicketKeyFormat as Format;

/// Name, MAC secret and encryption key.
const SHORT: [&str; 3] = [
    "ticket key no 01|mac secret no 01|encrypt key no 1",
    "ticket key no 02|mac secret no 02|encrypt key no 2",
    "ticket key no 03|mac secret no 03|encrypt key no 3",
];
const LONG: [&str; 3] = [
    "ticket key no 01|a mac secret of 32 bytes, no. 01|encryption key of 32 bytes no 01",
    "ticket key no 02|a mac secret of 32 bytes, no. 02|encryption key of 32 bytes no 02",
    "ticket key no 03|a mac secret of 32 bytes, no. 03|encryption key of 32 bytes no 03",
];

/// The parts and the role of each key, in the order of the set.
#[track_caller]
fn check(keys: &TicketKeys, expected: &[(&str, KeyRole)]) {
    let found = keys.entries().map(|entry| {
        let key = entry.key();
        let parts = [key.name(), key.hmac_secret(), key.aes_key()];
        (String::from_utf8(parts.join(&b'|')).unwrap(), entry.role)
    });
    let expected = expected
        .iter()
        .map(|(key, role)| ((*key).to_owned(), *role));
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn traffic_server_and_apache_have_the_mac_secret_first() {
    let file = b"ticket key no 01mac secret no 01encrypt key no 1\
                 ticket key no 02mac secret no 02encrypt key no 2\n";
    for format in [Format::TrafficServer48, Format::Apache48] {
        let keys = format.parse(file).unwrap();
        let expected = [(SHORT[0], KeyRole::Seal), (SHORT[1], KeyRole::Open)];
        check(&keys, &expected);
        assert_eq!(keys.trailing_bytes, 1);
    }
}

#[test]
fn nginx_48_has_the_encryption_key_first() {
    let file = b"ticket key no 01encrypt key no 1mac secret no 01";
    let keys = Format::Nginx48.parse(file).unwrap();
    check(&keys, &[(SHORT[0], KeyRole::Seal)]);
    assert_eq!(keys.trailing_bytes, 0);
}

#[test]
fn nginx_80_openssl_and_envoy_have_the_mac_secret_first() {
    let file = b"ticket key no 01a mac secret of 32 bytes, no. 01encryption key of 32 bytes no 01\
                 ticket key no 02a mac secret of 32 bytes, no. 02encryption key of 32 bytes no 02";
    for format in [Format::Nginx80, Format::OpenSsl80, Format::Envoy80] {
        let expected = [(LONG[0], KeyRole::Seal), (LONG[1], KeyRole::Open)];
        check(&format.parse(file).unwrap(), &expected);
    }
}

#[test]
fn haproxy_48_has_the_next_key_last_and_seals_with_the_one_before() {
    let file = b"dGlja2V0IGtleSBubyAwMWVuY3J5cHQga2V5IG5vIDFtYWMgc2VjcmV0IG5vIDAx\n\
                 dGlja2V0IGtleSBubyAwMmVuY3J5cHQga2V5IG5vIDJtYWMgc2VjcmV0IG5vIDAy\r\n\
                 \n\
                 dGlja2V0IGtleSBubyAwM2VuY3J5cHQga2V5IG5vIDNtYWMgc2VjcmV0IG5vIDAz \t";
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
        dGlja2V0IGtleSBubyAwMWVuY3J5cHRpb24ga2V5IG9mIDMyIGJ5\
        dGVzIG5vIDAxYSBtYWMgc2VjcmV0IG9mIDMyIGJ5dGVzLCBuby4gMDE=\n\
        dGlja2V0IGtleSBubyAwMmVuY3J5cHRpb24ga2V5IG9mIDMyIGJ5\
        dGVzIG5vIDAyYSBtYWMgc2VjcmV0IG9mIDMyIGJ5dGVzLCBuby4gMDI=\n\
        dGlja2V0IGtleSBubyAwM2VuY3J5cHRpb24ga2V5IG9mIDMyIGJ5\
        dGVzIG5vIDAzYSBtYWMgc2VjcmV0IG9mIDMyIGJ5dGVzLCBuby4gMDM=\n";
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
        \x20 key: 656e6372797074696f6e206b6579206f66203332206279746573206e6f2030316120\
        6d616320736563\
        726574206173206c6f6e67206173206120626c6f636b206f66205348412d\
        3235362069732c20776869636820697320\
        3634206279746573\n\
        \x20 not_before: 1437093283\n\
        \x20 not_after: 1437136482\n\
        - name: 7469636b6574206b6579206e6f203032\n\
        \x20 cipher: AES-128-CBC\n\
        \x20 hash: SHA256\n\
        \x20 key: 656e6372797074206b6579206e6f203261206d6163207365637265\
        74206173206c6f6e67206173206120\
        626c6f636b206f66205348412d3235362069732c207768696368206973203634206279746573\n\
        \x20 not_before: 1437100000\n\
        \x20 not_after: 18446744073709551615\n";
    let mac = "a mac secret as long as a block of SHA-256 is, which is 64 bytes";
    let timed = |from: u64, until: Duration| {
        KeyRole::Timed(Validity {
            seal_from: Duration::from_secs(from),
            seal_until: until,
            open_until: until,
        })
    };
    // The newest first.
    let newer = format!("ticket key no 02|{mac}|encrypt key no 2");
    let older = format!("ticket key no 01|{mac}|encryption key of 32 bytes no 01");
    let end = Duration::from_secs(1_437_136_483);
    let expected = [
        (&*newer, timed(1_437_100_000, Duration::MAX)),
        (&*older, timed(1_437_093_283, end)),
    ];
    check(&Format::H2o.parse(file).unwrap(), &expected);
}
