//! A model of the rules of ticket keys in records of 48 bytes: a name, a MAC secret and an
//! encryption key, of 16 bytes each.
//!
//! Targets include this file by its path.
#![allow(dead_code)] // each target uses a part

use std::collections::BTreeSet;

use rekindle::tickets::KeyFault;

pub(crate) const RECORD: usize = 48;

/// A record with this number's secrets, which look random.
pub(crate) fn record(name: u8, secrets: u8) -> [u8; RECORD] {
    let mut record = [name; RECORD];
    let mut mixed = u64::from(secrets) + 1;
    for byte in &mut record[16..] {
        mixed = mixed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *byte = (mixed >> 56) as u8;
    }
    record
}

/// Makes bytes that a fuzzer likes, zeros and small numbers, look random; in each record alike.
pub(crate) fn mask(bytes: &[u8]) -> Vec<u8> {
    let mask = [&[0; 16][..], &record(0, 7)[16..]].concat();
    let mask = mask.iter().cycle();
    bytes
        .iter()
        .zip(mask)
        .map(|(byte, mask)| byte ^ mask)
        .collect()
}

/// What is wrong with a record, apart from what it looks like.
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

/// Whether bytes look as if they were not random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looks {
    Random,
    /// UTF-8 but for what is cut at its ends: this model does not look so closely.
    MaybeNot,
    NotRandom,
}

/// Of the secrets of a record.
pub(crate) fn looks(record: &[u8]) -> Looks {
    let secrets = &record[16..];
    let values = |bytes: &mut dyn Iterator<Item = u8>| bytes.collect::<BTreeSet<u8>>().len();
    let mut differences = secrets.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let run = secrets
        .windows(6)
        .any(|run| run.iter().all(|byte| *byte == run[0]));
    let replaced = secrets
        .windows(3)
        .filter(|part| *part == [0xEF, 0xBF, 0xBD])
        .count();
    let password = |secret: &[u8]| secret.iter().all(u8::is_ascii_alphanumeric);
    let zeros = |from: usize| secrets.iter().skip(from).step_by(2).all(|byte| *byte == 0);
    let text = std::str::from_utf8(secrets).is_ok_and(|text| {
        let is_plain = |c: char| !c.is_control() || c.is_ascii_whitespace();
        let high = text.chars().filter(|c| !c.is_ascii()).count();
        text.chars().all(is_plain) || (high >= 3 && text.chars().all(|c| u32::from(c) < 256))
    });
    let few = |secret: &[u8]| values(&mut secret.iter().copied()) <= 7;
    if secrets.iter().all(|byte| *byte < 0x80)
        || values(&mut secrets.iter().copied()) <= 18
        || values(&mut differences) <= 17
        || run
        || replaced >= 2
        || password(&secrets[..16])
        || password(&secrets[16..])
        || few(&secrets[..16])
        || few(&secrets[16..])
        || zeros(0)
        || zeros(1)
        || text
    {
        Looks::NotRandom
    } else if std::str::from_utf8(secrets).is_ok() || is_utf8_inside(secrets) {
        Looks::MaybeNot
    } else {
        Looks::Random
    }
}

/// Of a whole file of records, before any of them is read.
pub(crate) fn content_looks(content: &[u8]) -> Looks {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let text = content.trim_ascii_start();
    let begins: [&[u8]; 3] = [b"-----BEGIN ", b"# rekindle ticket secret", b"- name:"];
    let printable = |byte: &u8| (b' '..0x7F).contains(byte) || byte.is_ascii_whitespace();
    if begins.iter().any(|word| text.starts_with(word)) {
        return Looks::NotRandom;
    }
    if content.len() >= 32 && content.iter().all(printable) {
        return Looks::NotRandom;
    }
    let zeros = |from: usize| content.iter().skip(from).step_by(2).all(|byte| *byte == 0);
    let marks = [0x30, 0xFF, 0xFE]
        .map(Some)
        .contains(&content.first().copied());
    let replaced = content.windows(3).any(|part| part == [0xEF, 0xBF, 0xBD]);
    let is_text = is_utf8_inside(content) || replaced || text.starts_with(b"secret ");
    if marks || zeros(0) || zeros(1) || is_text {
        return Looks::MaybeNot;
    }
    Looks::Random
}

/// What may be behind the last whole record: a newline, unless it may be the end of a record that
/// a program has taken for text.
pub(crate) fn is_newline(whole: &[u8], left: &[u8]) -> bool {
    match left {
        b"" | b"\r\n" => true,
        b"\n" => whole.last() != Some(&b'\r'),
        _ => false,
    }
}

/// Whether eight bytes of the name are in the secrets.
pub(crate) fn shows_secrets(record: &[u8]) -> bool {
    let mut parts = record[..16].windows(8);
    parts.any(|part| record[16..].windows(8).any(|ours| ours == part))
}

fn is_utf8_inside(bytes: &[u8]) -> bool {
    let inside = |cut: usize| bytes.get(cut..bytes.len().saturating_sub(3));
    (0..4).filter_map(inside).any(|part| {
        // What is cut at the end is one of them.
        let invalid = part
            .utf8_chunks()
            .filter(|chunk| !chunk.invalid().is_empty());
        invalid.count() <= 1
    })
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
