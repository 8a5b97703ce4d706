//! A model of the rules of ticket keys in records of 48 bytes: a name, a MAC secret and an
//! encryption key, of 16 bytes each.
//!
//! Targets include this file by its path.

use rekindle::tickets::KeyFault;

/// What is wrong with a record by itself.
pub(crate) fn fault(record: &[u8]) -> Option<KeyFault> {
    let (mac, aes) = record[16..].split_at(16);
    let repeated = |secret: &[u8]| secret.iter().all(|byte| *byte == secret[0]);
    if record[16..].iter().all(|byte| *byte == 0) {
        Some(KeyFault::AllZero)
    } else if repeated(mac) || repeated(aes) {
        Some(KeyFault::RepeatedByte)
    } else {
        (mac == aes).then_some(KeyFault::EqualSecrets)
    }
}

pub(crate) fn name(record: &[u8]) -> &[u8] {
    &record[..16]
}

pub(crate) fn secrets(record: &[u8]) -> &[u8] {
    &record[16..]
}

/// Each record whose part an earlier one has, with the last of those.
pub(crate) fn duplicates(records: &[&[u8]], part: fn(&[u8]) -> &[u8]) -> Vec<(usize, usize)> {
    let alike = |a: usize, b: usize| part(records[a]) == part(records[b]);
    let duplicate = |second| (0..second).rev().find(|first| alike(*first, second));
    (0..records.len())
        .filter_map(|second| duplicate(second).map(|first| (first, second)))
        .collect()
}

/// Whether it is text for another reader: the first line that is not blank says so, or all such
/// lines are base64 of 48 or 80 bytes.
pub(crate) fn is_text(content: &[u8]) -> bool {
    let lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
    let Some(first) = lines.first() else {
        return false;
    };
    let is_base64 = |line: &&[u8]| {
        let digits = line
            .iter()
            .filter(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b));
        [64, 108].contains(&line.len()) && digits.count() == line.len()
    };
    let begins: [&[u8]; 2] = [b"# rekindle ticket secret", b"- name:"];
    begins.iter().any(|text| first.starts_with(text))
        || content.starts_with(b"secret ")
        || lines.iter().all(is_base64)
}
