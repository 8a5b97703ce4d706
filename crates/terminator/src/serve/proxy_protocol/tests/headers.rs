//! Valid headers, and what they say.

use std::net::SocketAddr;

use crate::serve::proxy_protocol::received::Received;
use crate::serve::proxy_protocol::{Addresses, HeaderError, Parse, parse};

/// What HAProxy 2.6.12 sent (`send-proxy-v2`, `proxy-v2-options
/// ssl,cert-cn,ssl-cipher,crc32c,authority`) of a client with a certificate and ALPN.
pub(super) const HAPROXY_V4: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x66\
    \x7f\x00\x00\x01\x7f\x00\x00\x01\xa2\xfe\x23\x8c\
    \x03\x00\x04\xc2\x39\x2d\xc9\
    \x01\x00\x02h2\
    \x02\x00\x0fwww.example.com\
    \x20\x00\x39\x07\x00\x00\x00\x00\
    \x21\x00\x07TLSv1.3\x22\x00\x0eclient.example\x23\x00\x16TLS_AES_256_GCM_SHA384";

/// The same over IPv6, of a client without certificate and ALPN.
pub(super) const HAPROXY_V6: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x68\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xeb\xe6\x23\x8d\
    \x03\x00\x04\x93\xf4\x41\xff\
    \x02\x00\x0fwww.example.com\
    \x20\x00\x28\x01\x00\x00\x00\x00\
    \x21\x00\x07TLSv1.3\x23\x00\x16TLS_AES_256_GCM_SHA384";

/// HAProxy's health check, with a checksum.
pub(super) const HAPROXY_LOCAL: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x07\x03\x00\x04\xa9\xb8\x7e\x8f";

/// The longest line that the specification knows (section 2.1).
pub(super) const LONGEST_LINE: &[u8] = b"PROXY UNKNOWN \
    ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
    65535 65535\r\n";

/// A binary header of this command, family and content.
pub(super) fn binary(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = [command, family, length[0], length[1]];
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &head, content].concat()
}

/// Bytes of a header, and its source and destination.
pub(super) type Case = (Vec<u8>, Option<(&'static str, &'static str)>);

pub(super) fn valid() -> Vec<Case> {
    let highest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
    let lines: [(&[u8], _); 10] = [
        (
            b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
            Some(("192.168.0.1:56324", "192.168.0.11:443")),
        ),
        (
            b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            Some(("255.255.255.255:65535", "255.255.255.255:65535")),
        ),
        (
            b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n",
            Some(("0.0.0.0:0", "0.0.0.0:0")),
        ),
        (
            b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Some((highest, highest)),
        ),
        (
            b"PROXY TCP6 2001:DB8::1 :: 1 2\r\n",
            Some(("[2001:db8::1]:1", "[::]:2")),
        ),
        // nginx writes a client of IPv4 so where it listens on IPv6.
        (
            b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n",
            Some(("192.0.2.1:1", "[2001:db8::2]:2")),
        ),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN a b c \0 TCP4\r\n", None),
        (b"PROXY UNKNOWN \r\n", None),
        (LONGEST_LINE, None),
    ];
    let local = [1, 2, 3].repeat(5);
    let inet = [192, 0, 2, 1, 192, 0, 2, 2, 0, 80, 1, 187];
    let empty_tlv = [4, 0, 0];
    let with_tlvs = [&inet[..], &empty_tlv, &[0xEA, 0, 1, 0], &empty_tlv].concat();
    let longest = [&inet[..], &[4, 0x0F, 0xF1], &[0xFF; 4096 - 12 - 3]].concat();
    let mapped = [&[0; 10][..], &[255, 255, 192, 0, 2, 1]].concat();
    let mapped = [&mapped[..], &mapped, &[0, 80, 1, 187]].concat();
    let plain = Some(("192.0.2.1:80", "192.0.2.2:443"));
    let headers = [
        (
            HAPROXY_V4.into(),
            Some(("127.0.0.1:41726", "127.0.0.1:9100")),
        ),
        (HAPROXY_V6.into(), Some(("[::1]:60390", "[::1]:9101"))),
        (HAPROXY_LOCAL.into(), None),
        (binary(0x20, 0, &[]), None),
        // Of LOCAL, family and content are ignored.
        (binary(0x20, 0x11, &local), None),
        (binary(0x20, 0xFF, &local), None),
        (binary(0x21, 0, &[]), None),
        (binary(0x21, 0, &local), None),
        (binary(0x21, 0x01, &local), None),
        (binary(0x21, 0x10, &local), None),
        (binary(0x21, 0x11, &inet), plain),
        (binary(0x21, 0x11, &with_tlvs), plain),
        (binary(0x21, 0x11, &longest), plain),
        (
            binary(0x21, 0x21, &mapped),
            Some(("192.0.2.1:80", "192.0.2.1:443")),
        ),
        (binary(0x21, 0x31, &[b'/'; 216]), None),
        (
            binary(0x21, 0x31, &[&[0; 216][..], &empty_tlv].concat()),
            None,
        ),
    ];
    let lines = lines.map(|(line, addresses)| (line.to_vec(), addresses));
    lines.into_iter().chain(headers).collect()
}

pub(super) fn addresses(source: &str, destination: &str) -> Addresses {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    Addresses {
        source: address(source),
        destination: address(destination),
    }
}

pub(super) fn complete(length: usize, said: Option<(&str, &str)>) -> Result<Parse, HeaderError> {
    let addresses = said.map(|(source, destination)| addresses(source, destination));
    let header = Received { addresses };
    Ok(Parse::Complete { header, length })
}

/// The error that `bytes` are refused with.
#[track_caller]
pub(super) fn refused(bytes: &[u8]) -> HeaderError {
    parse(bytes).expect_err("it should be refused")
}
