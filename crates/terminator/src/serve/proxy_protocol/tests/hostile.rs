//! Headers that are refused, and at which byte.

use super::headers::{HAPROXY_V4, LONGEST_LINE, binary, refused};
use crate::serve::proxy_protocol::{HeaderError, Parse, parse};

/// The line with these fields is refused, and its fields are judged only with the CRLF.
#[track_caller]
fn line(fields: &str, expected: HeaderError) {
    let line = format!("PROXY {fields}\r\n");
    assert_eq!(refused(line.as_bytes()), expected, "{line:?}");
    let cut = &line.as_bytes()[..line.len() - 1];
    assert_eq!(parse(cut), Ok(Parse::Incomplete), "{line:?}");
}

#[test]
fn what_cannot_begin_a_header_is_refused_at_its_first_byte() {
    for byte in (0..=255).filter(|byte| !b"P\r".contains(byte)) {
        assert_eq!(refused(&[byte]), HeaderError::NoHeader);
    }
    assert_eq!(parse(b"P"), Ok(Parse::Incomplete));
    assert_eq!(parse(b"\r"), Ok(Parse::Incomplete));
}

#[test]
fn other_words_and_signatures_are_refused_at_the_byte_that_differs() {
    for begin in ["POST", "PROXy", "PROXY\t", "PROXY\r"] {
        assert_eq!(
            refused(begin.as_bytes()),
            HeaderError::NoHeader,
            "{begin:?}"
        );
    }
    for word in [
        "t", "X", " ", "TCP5", "TCP4\r", "TCP44", "TCP6\t", "UDP4", "UNKNOWX", "\r",
    ] {
        let begin = format!("PROXY {word}");
        assert_eq!(
            refused(begin.as_bytes()),
            HeaderError::Protocol,
            "{begin:?}"
        );
    }
    assert_eq!(refused(b"PROXY UNKNOWNS"), HeaderError::Protocol);
    for at in 1..12 {
        let mut begin = b"\r\n\r\n\0\r\nQUIT\n"[..=at].to_vec();
        begin[at] ^= 1;
        assert_eq!(refused(&begin), HeaderError::NoHeader, "byte {at}");
    }
}

#[test]
fn a_line_has_exactly_four_fields_behind_its_word() {
    for fields in [
        "TCP4 ",
        "TCP4 1.1.1.1",
        "TCP4 1.1.1.1 1.1.1.1",
        "TCP4 1.1.1.1 1.1.1.1 1",
        "TCP4 1.1.1.1 1.1.1.1 1 1 1",
        "TCP4 1.1.1.1 1.1.1.1 1 1 ",
    ] {
        line(fields, HeaderError::Fields);
    }
    line("TCP4  1.1.1.1 1.1.1.1 1", HeaderError::SourceAddress);
    line("TCP4 1.1.1.1  1 1", HeaderError::DestinationAddress);
    line("TCP4 1.1.1.1 1.1.1.1  1", HeaderError::SourcePort);
    line("TCP4 1.1.1.1 1.1.1.1 1 ", HeaderError::DestinationPort);
}

#[test]
fn an_address_in_another_form_is_refused() {
    for source in [
        "1.1.1",
        "1.1.1.1.1",
        "256.1.1.1",
        "01.1.1.1",
        "1.1.1.001",
        "1..1.1",
        "::1",
        "1.1.1.a",
        ".",
    ] {
        line(
            &format!("TCP4 {source} 1.1.1.1 1 1"),
            HeaderError::SourceAddress,
        );
        line(
            &format!("TCP4 1.1.1.1 {source} 1 1"),
            HeaderError::DestinationAddress,
        );
    }
    for source in [
        "1.1.1.1",
        "1:2",
        ":",
        ":::",
        "1::2::3",
        "12345::",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4::5:6:7:8",
        "::ffff:01.1.1.1",
    ] {
        line(
            &format!("TCP6 {source} ::1 1 1"),
            HeaderError::SourceAddress,
        );
        line(
            &format!("TCP6 ::1 {source} 1 1"),
            HeaderError::DestinationAddress,
        );
    }
}

#[test]
fn a_port_in_another_form_is_refused() {
    for port in [
        "65536",
        "99999999999999999999",
        "00",
        "01",
        "0443",
        "1.",
        "a",
        ":",
    ] {
        line(
            &format!("TCP4 1.1.1.1 1.1.1.1 {port} 1"),
            HeaderError::SourcePort,
        );
        line(
            &format!("TCP6 ::1 ::1 1 {port}"),
            HeaderError::DestinationPort,
        );
    }
}

#[test]
fn a_byte_of_no_address_is_refused_before_the_line_ends() {
    for (begin, byte) in [
        ("TCP6 fe80::1%", b'%'),
        ("TCP6 [", b'['),
        ("TCP4 1.1.1.1 1.1.1.1 +", b'+'),
        ("TCP4 1.1.1.1 1.1.1.1 1 -", b'-'),
        ("TCP4 1.1.1.1\0", 0),
        ("TCP4 1.1.1.1\t", b'\t'),
        ("TCP4 \u{e9}", 0xC3),
        ("TCP4 x", b'x'),
    ] {
        let begin = format!("PROXY {begin}");
        assert_eq!(
            refused(begin.as_bytes()),
            HeaderError::Byte(byte),
            "{begin:?}"
        );
    }
}

#[test]
fn a_cr_or_lf_alone_ends_no_line() {
    for fields in [
        "TCP4 1.1.1.1 1.1.1.1 1 1",
        "TCP6 ::",
        "UNKNOWN",
        "UNKNOWN x",
    ] {
        for end in ["\n", "\r\r\n", "\rx", "\r "] {
            let line = format!("PROXY {fields}{end}");
            assert_eq!(refused(line.as_bytes()), HeaderError::LineEnd, "{line:?}");
        }
    }
}

#[test]
fn a_line_of_more_than_107_bytes_is_refused_where_its_end_cannot_come() {
    let longer = [&LONGEST_LINE[..105], b"5\r\n"].concat();
    assert_eq!(longer.len(), 108);
    assert_eq!(parse(&longer[..105]), Ok(Parse::Incomplete));
    for cut in 106..=108 {
        assert_eq!(refused(&longer[..cut]), HeaderError::LineTooLong, "{cut}");
    }
    let ever = [b"PROXY TCP6 ", &b"0:".repeat(5000)[..]].concat();
    assert_eq!(refused(&ever), HeaderError::LineTooLong);
    assert_eq!(refused(&ever[..106]), HeaderError::LineTooLong);
    assert_eq!(parse(&ever[..105]), Ok(Parse::Incomplete));
    let worse = [&ever[..200], b"%"].concat();
    assert_eq!(refused(&worse), HeaderError::LineTooLong);
}

/// These bytes behind the signature are refused, and not all but the last of them.
#[track_caller]
fn behind_signature(bytes: &[u8], expected: HeaderError) {
    let header = [&HAPROXY_V4[..12], bytes].concat();
    assert_eq!(refused(&header), expected, "{bytes:x?}");
    assert_eq!(parse(&header[..header.len() - 1]), Ok(Parse::Incomplete));
}

#[test]
fn unknown_numbers_in_a_binary_header_are_refused_at_their_byte() {
    for version in (0..16).filter(|version| *version != 2) {
        behind_signature(&[version << 4 | 1], HeaderError::Version(version));
    }
    for command in 2..16 {
        behind_signature(&[0x20 | command], HeaderError::Command(command));
    }
    for family in 4..16 {
        behind_signature(&[0x21, family << 4 | 1], HeaderError::Family(family));
    }
    for transport in 2..16 {
        for family in [0, 0x10, 0x20, 0x30] {
            behind_signature(
                &[0x21, family | transport],
                HeaderError::Transport(transport),
            );
        }
    }
}

#[test]
fn a_length_beyond_the_bound_or_below_the_addresses_is_refused_before_they_come() {
    for command in [0x20, 0x21] {
        behind_signature(&[command, 0x11, 0x10, 0x01], HeaderError::TooLong(4097));
        behind_signature(&[command, 0, 0xFF, 0xFF], HeaderError::TooLong(65_535));
    }
    for (family, needed) in [(0x11, 12), (0x21, 36), (0x31, 216)] {
        for length in [0, 1, needed - 1] {
            let head = [0x21, family, 0, length as u8];
            behind_signature(&head, HeaderError::NoRoomForAddresses { length, needed });
        }
    }
}

#[test]
fn tlvs_that_do_not_fill_the_header_are_refused() {
    for tlvs in [
        &[4][..],
        &[4, 0],
        &[4, 0, 1],
        &[4, 0, 2, 9],
        &[4, 0xFF, 0xFF, 9],
        &[0x20, 0, 5, 1, 0, 0, 0],
    ] {
        for before in [&[][..], &[4, 0, 1, 9]] {
            let content = [&[0; 12][..], before, tlvs].concat();
            let at = 16 + 12 + before.len();
            let header = binary(0x21, 0x11, &content);
            assert_eq!(refused(&header), HeaderError::TlvOverrun(at), "{tlvs:x?}");
        }
    }
    let unix = [&[0; 216][..], &[4, 0, 1]].concat();
    assert_eq!(
        refused(&binary(0x21, 0x31, &unix)),
        HeaderError::TlvOverrun(232)
    );
}

#[test]
fn each_changed_bit_behind_the_family_fails_the_checksum_or_sooner() {
    let mut header = HAPROXY_V4.to_vec();
    for at in 16..header.len() {
        for bit in 0..8 {
            header[at] ^= 1 << bit;
            let is_its_own_head = (28..31).contains(&at);
            assert!(
                parse(&header).is_err() || is_its_own_head,
                "bit {bit} of byte {at}"
            );
            header[at] ^= 1 << bit;
        }
    }
    let last = header.len() - 1;
    header[last] ^= 1;
    let error = refused(&header);
    let HeaderError::Checksum { received, computed } = error else {
        panic!("{error}");
    };
    assert_eq!(received, 0xC239_2DC9);
    assert_ne!(computed, received);
}

#[test]
fn a_checksum_of_another_length_or_a_second_one_is_refused() {
    for checksum in [
        &[3, 0, 0][..],
        &[3, 0, 3, 1, 2, 3],
        &[3, 0, 5, 1, 2, 3, 4, 5],
    ] {
        let header = binary(0x21, 0x11, &[&[0; 12], checksum].concat());
        assert_eq!(refused(&header), HeaderError::MalformedChecksum(28));
    }
    let mut second = HAPROXY_V4.to_vec();
    second.extend_from_within(28..35);
    second[15] += 7;
    assert_eq!(refused(&second), HeaderError::MalformedChecksum(118));
}
