//! Another ticket in a session's DER. The fuzz target `tickets` includes this file as well.
#![allow(unreachable_pub)] // in a module of one test or another

/// A session's encoding with another ticket in it, if it has one: `ticket [10] EXPLICIT OCTET
/// STRING` of OpenSSL's encoding.
pub fn session_with_ticket(der: &[u8], ticket: &[u8]) -> Vec<u8> {
    const TICKET: u8 = 0xAA;
    let (_, mut rest, _) = split(der);
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (tag, content, behind) = split(rest);
        if tag == TICKET {
            fields.extend(element(TICKET, &element(0x04, ticket)));
        } else {
            fields.extend(element(tag, content));
        }
        rest = behind;
    }
    element(0x30, &fields)
}

/// Tag and content of the first element, and what is behind it.
fn split(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (start, len) = match der[1] {
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
        short => (2, usize::from(short)),
    };
    let (content, behind) = der[start..].split_at(len);
    (der[0], content, behind)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let mut bytes = match len {
        0..0x80 => vec![tag, len as u8],
        0x80..0x100 => vec![tag, 0x81, len as u8],
        _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    bytes.extend(content);
    bytes
}
