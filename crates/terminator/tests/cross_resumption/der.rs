//! As much of DER as it takes to find a field in an encoded session.

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const EXPLICIT: u8 = 0xa0;

/// The octet string in field `[number]` of a sequence, as OpenSSL encodes the optional fields of a
/// session.
pub(crate) fn octets_in_field(sequence: &[u8], number: u8) -> Option<Vec<u8>> {
    let (tag, fields, _) = element(sequence)?;
    assert_eq!(tag, SEQUENCE, "a session is a sequence");
    let mut rest = fields;
    while let Some((tag, content, behind)) = element(rest) {
        if tag == EXPLICIT | number {
            let (tag, octets, _) = element(content)?;
            return (tag == OCTET_STRING).then(|| octets.to_vec());
        }
        rest = behind;
    }
    None
}

/// Tag and content of the first element, and what is behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let length = length
            .iter()
            .fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        (length, rest)
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}
