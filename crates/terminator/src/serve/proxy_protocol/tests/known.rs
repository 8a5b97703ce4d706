//! Headers that are valid, whole and in parts.

use super::headers::{HAPROXY_V4, addresses, complete, valid};
use crate::serve::proxy_protocol::{Parse, parse};

#[test]
fn a_valid_header_gives_its_addresses_and_length() {
    for (bytes, said) in valid() {
        let text = bytes.escape_ascii();
        assert_eq!(parse(&bytes), complete(bytes.len(), said), "{text}");
    }
    let Ok(Parse::Complete { header, .. }) = parse(HAPROXY_V4) else {
        panic!("it is valid");
    };
    let said = addresses("127.0.0.1:41726", "127.0.0.1:9100");
    assert_eq!(header.addresses, Some(said));
}

#[test]
fn what_follows_a_header_is_not_its_own() {
    for (bytes, said) in valid() {
        for rest in [&b"\x16\x03\x01"[..], b"\n", b"\r\n", &[0; 5000]] {
            let all = [&bytes, rest].concat();
            let text = all.escape_ascii();
            assert_eq!(parse(&all), complete(bytes.len(), said), "{text}");
        }
    }
}

#[test]
fn each_beginning_of_a_valid_header_is_incomplete() {
    for (bytes, _) in valid() {
        for cut in 0..bytes.len() {
            let text = bytes[..cut].escape_ascii();
            assert_eq!(parse(&bytes[..cut]), Ok(Parse::Incomplete), "{text}");
        }
    }
}

#[test]
fn a_changed_byte_never_panics_or_moves_the_end_beyond_what_is_there() {
    for (mut bytes, _) in valid() {
        // The rest of the longest is one TLV's.
        for at in 0..bytes.len().min(300) {
            let byte = bytes[at];
            for other in 0..=255 {
                bytes[at] = other;
                if let Ok(Parse::Complete { length, .. }) = parse(&bytes) {
                    assert!(length <= bytes.len());
                }
            }
            bytes[at] = byte;
        }
    }
}
