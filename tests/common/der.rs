//! The ticket in a session's DER. The test of `crates/preload` and the fuzz targets `tickets` and
//! `c_api` include this file as well.
#![allow(dead_code, unreachable_pub)] // in a module of one test or another

/// `ticket [10] EXPLICIT OCTET STRING` of OpenSSL's encoding.
const TICKET: u8 = 0xAA;

/// The ticket of a session; empty if it has none.
pub fn ticket_of(session: &[u8]) -> Vec<u8> {
    let ticket = fields(session).find(|(tag, _)| *tag == TICKET);
    ticket.map_or(Vec::new(), |(_, content)| split(content).1.to_vec())
}

/// A session with another ticket in it, if it has one.
pub fn session_with_ticket(session: &[u8], ticket: &[u8]) -> Vec<u8> {
    let fields = fields(session).flat_map(|(tag, content)| match tag {
        TICKET => element(TICKET, &element(0x04, ticket)),
        _ => element(tag, content),
    });
    element(0x30, &fields.collect::<Vec<_>>())
}

/// Tag and content of each element of a session.
fn fields(session: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let (_, mut rest, _) = split(session);
    std::iter::from_fn(move || {
        let (tag, content, behind) = (!rest.is_empty()).then(|| split(rest))?;
        rest = behind;
        Some((tag, content))
    })
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

/// An element of DER.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let mut bytes = match len {
        0..0x80 => vec![tag, len as u8],
        0x80..0x100 => vec![tag, 0x81, len as u8],
        _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    bytes.extend(content);
    bytes
}
