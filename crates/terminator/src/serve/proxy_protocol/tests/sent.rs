//! Headers that are sent.

use super::headers::{HAPROXY_V4, addresses, complete};
use crate::serve::proxy_protocol::outgoing::MAX_SENT;
use crate::serve::proxy_protocol::{
    Addresses, ClientCertificate, Outgoing, TlsFacts, Version, parse,
};

const OWN: &[u8] = b"\xE4\x00\x09rekindle";

fn tls() -> TlsFacts<'static> {
    TlsFacts {
        version: "TLSv1.3",
        cipher: Some("TLS_AES_256_GCM_SHA384"),
        alpn: Some(b"h2"),
        server_name: Some("www.example.com"),
        client_certificate: Some(ClientCertificate {
            common_name: Some("client.example"),
            in_this_handshake: true,
            verify_result: 0,
        }),
        resumed: false,
        early_data: false,
    }
}

fn encoded(version: Version, addresses: Option<Addresses>, tls: Option<TlsFacts<'_>>) -> Vec<u8> {
    let mut out = b"before".to_vec();
    Outgoing { addresses, tls }.encode(version, &mut out);
    assert!(out.len() <= MAX_SENT + 6);
    out.split_off(6)
}

/// The TLVs of a header: type and value.
fn tlvs(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = vec![];
    while let [kind, high, low, rest @ ..] = bytes {
        let (value, rest) = rest.split_at(u16::from_be_bytes([*high, *low]).into());
        found.push((*kind, value));
        bytes = rest;
    }
    assert_eq!(bytes, b"");
    found
}

/// The TLVs of these facts, and those in `PP2_TYPE_SSL` behind its first five bytes.
fn sent(tls: TlsFacts<'_>) -> (Vec<u8>, Vec<u8>) {
    let ipv4 = addresses("192.0.2.1:1", "192.0.2.2:2");
    let header = encoded(Version::V2, Some(ipv4), Some(tls));
    let length = header.len();
    assert_eq!(
        parse(&header),
        complete(length, Some(("192.0.2.1:1", "192.0.2.2:2")))
    );
    let all = tlvs(&header[28..]);
    let ssl = all
        .iter()
        .find(|(kind, _)| *kind == 0x20)
        .unwrap()
        .1
        .to_vec();
    (header[28..].to_vec(), ssl)
}

fn kinds(bytes: &[u8]) -> Vec<u8> {
    tlvs(bytes).into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn a_line_is_the_specification_s() {
    for (source, destination, expected) in [
        (
            "192.168.0.1:56324",
            "192.168.0.11:443",
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
        ),
        (
            "[2001:db8::1]:0",
            "[::1%3]:65535",
            "PROXY TCP6 2001:db8::1 ::1 0 65535\r\n",
        ),
        (
            "[::ffff:1.2.3.4]:1",
            "[::ffff:5.6.7.8]:2",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        ),
        (
            "1.2.3.4:1",
            "[2001:db8::1]:2",
            "PROXY TCP6 ::ffff:1.2.3.4 2001:db8::1 1 2\r\n",
        ),
    ] {
        let line = encoded(
            Version::V1,
            Some(addresses(source, destination)),
            Some(tls()),
        );
        assert_eq!(
            line.escape_ascii().to_string(),
            expected.escape_default().to_string()
        );
    }
    assert_eq!(
        encoded(Version::V1, None, Some(tls())),
        b"PROXY UNKNOWN\r\n"
    );
}

#[test]
fn a_binary_header_has_the_addresses_in_one_family() {
    let header = |source: &str, destination: &str| {
        encoded(Version::V2, Some(addresses(source, destination)), None)[12..].to_vec()
    };
    assert_eq!(
        header("192.0.2.1:80", "192.0.2.2:443"),
        b"\x21\x11\0\x0C\xC0\0\x02\x01\xC0\0\x02\x02\0\x50\x01\xBB"
    );
    assert_eq!(
        header("192.0.2.1:80", "[2001:db8::2]:443"),
        b"\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xC0\0\x02\x01\
            \x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x02\0\x50\x01\xBB"
    );
    assert_eq!(encoded(Version::V2, None, None)[12..], *b"\x21\0\0\0");
}

#[test]
fn a_header_of_all_facts_is_haproxy_s_with_our_tlv_in_place_of_the_checksum() {
    let said = addresses("127.0.0.1:41726", "127.0.0.1:9100");
    let header = encoded(Version::V2, Some(said), Some(tls()));
    let ours = [OWN, &[0]].concat();
    // HAProxy puts the name before the cipher.
    let name = b"\x22\x00\x0eclient.example";
    let cipher = b"\x23\x00\x16TLS_AES_256_GCM_SHA384";
    let (theirs, _) = HAPROXY_V4.split_at(HAPROXY_V4.len() - name.len() - cipher.len());
    let mut expected = [&theirs[..28], &ours, &theirs[35..], cipher, name].concat();
    expected[15] = 0x66 + 5;
    assert_eq!(
        header.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
}

#[test]
fn facts_that_are_absent_leave_no_tlv() {
    let none = TlsFacts {
        cipher: None,
        alpn: None,
        server_name: None,
        client_certificate: None,
        ..tls()
    };
    let (all, ssl) = sent(none);
    assert_eq!(kinds(&all), [0xE4, 0x20]);
    // There is TLS, and no certificate: not verified.
    assert_eq!(ssl, b"\x01\0\0\0\x01\x21\0\x07TLSv1.3");
    let said = addresses("192.0.2.1:80", "192.0.2.2:443");
    assert_eq!(encoded(Version::V2, Some(said), None).len(), 28);
}

#[test]
fn flags_tell_of_resumption_early_data_and_the_certificate() {
    for (resumed, early_data, flags) in [
        (false, false, 0),
        (true, false, 1),
        (false, true, 2),
        (true, true, 3),
    ] {
        let (all, _) = sent(TlsFacts {
            resumed,
            early_data,
            ..tls()
        });
        assert_eq!(all[..12], [OWN, &[flags]].concat());
    }
    for (in_this_handshake, verify_result, expected) in [
        (true, 0, [7, 0, 0, 0, 0]),
        (false, 0, [5, 0, 0, 0, 0]),
        (true, 10, [7, 0, 0, 0, 10]),
    ] {
        let certificate = ClientCertificate {
            common_name: None,
            in_this_handshake,
            verify_result,
        };
        let (_, ssl) = sent(TlsFacts {
            client_certificate: Some(certificate),
            ..tls()
        });
        assert_eq!(ssl[..5], expected);
        assert_eq!(kinds(&ssl[5..]), [0x21, 0x23]);
    }
}

#[test]
fn a_value_that_would_not_fit_is_left_out_and_the_others_are_sent() {
    for long in [500, 536, 65_535, 65_536, 100_000] {
        let (bytes, text) = (vec![b'x'; long], "x".repeat(long));
        let name = |common_name| ClientCertificate {
            common_name,
            in_this_handshake: true,
            verify_result: 0,
        };
        let (all, ssl) = sent(TlsFacts {
            alpn: Some(&bytes),
            ..tls()
        });
        assert_eq!(kinds(&all), [0xE4, 2, 0x20]);
        assert_eq!(kinds(&ssl[5..]), [0x21, 0x23, 0x22]);
        let (all, ssl) = sent(TlsFacts {
            server_name: Some(&text),
            ..tls()
        });
        assert_eq!(kinds(&all), [0xE4, 1, 0x20]);
        assert_eq!(kinds(&ssl[5..]), [0x21, 0x23, 0x22]);
        let (all, ssl) = sent(TlsFacts {
            cipher: Some(&text),
            ..tls()
        });
        assert_eq!(kinds(&all), [0xE4, 1, 2, 0x20]);
        assert_eq!(kinds(&ssl[5..]), [0x21, 0x22]);
        let certificate = Some(name(Some(&text)));
        let (all, ssl) = sent(TlsFacts {
            client_certificate: certificate,
            ..tls()
        });
        assert_eq!(kinds(&all), [0xE4, 1, 2, 0x20]);
        assert_eq!(kinds(&ssl[5..]), [0x21, 0x23]);
    }
}

#[test]
fn no_lengths_make_a_header_longer_than_its_bound() {
    let long = "x".repeat(600);
    let empty = ClientCertificate {
        common_name: Some(""),
        in_this_handshake: true,
        verify_result: 0,
    };
    // `sent` looks at the bound.
    for length in 0..600 {
        let (alpn, cipher) = (&long.as_bytes()[..length], &long[..length]);
        let facts = TlsFacts {
            server_name: Some(""),
            client_certificate: Some(empty),
            ..tls()
        };
        sent(TlsFacts {
            alpn: Some(alpn),
            ..facts
        });
        sent(TlsFacts {
            cipher: Some(cipher),
            ..facts
        });
    }
}

#[test]
fn the_longest_names_of_dns_and_x_520_fit_together() {
    let (server, common) = ("s".repeat(255), "c".repeat(64));
    let certificate = ClientCertificate {
        common_name: Some(&common),
        in_this_handshake: true,
        verify_result: 0,
    };
    let facts = TlsFacts {
        alpn: Some(b"http/1.1"),
        server_name: Some(&server),
        client_certificate: Some(certificate),
        ..tls()
    };
    let ipv6 = addresses("[2001:db8::1]:1", "[2001:db8::2]:2");
    let header = encoded(Version::V2, Some(ipv6), Some(facts));
    let all = tlvs(&header[52..]);
    assert_eq!(kinds(&header[52..]), [0xE4, 1, 2, 0x20]);
    assert_eq!(kinds(&all[3].1[5..]), [0x21, 0x23, 0x22]);
}
