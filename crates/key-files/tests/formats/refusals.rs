//! What every format refuses, and the location that the error names.

use std::slice;

use rekindle::tickets::{
    KeyEntry, KeyFault, KeyLocation, KeyRole, TicketKey, TicketKeyError, TicketKeys,
};
use rekindle_key_files::TicketKeyFormat as Format;

use crate::raw::{Raw, file, hex, is_haproxy, key, secret};
use crate::records;

const LINES_OF_H2O: usize = 6;

/// Where key `record` of [`file`] is.
fn at(format: Format, record: usize) -> KeyLocation {
    match format {
        Format::H2o => KeyLocation::line(record, LINES_OF_H2O * record + 1),
        _ if is_haproxy(format) => KeyLocation::line(record, record + 1),
        _ => KeyLocation::record(record),
    }
}

/// The error for these keys. It says nothing of their secrets.
#[track_caller]
fn refused(format: Format, keys: &[Raw]) -> TicketKeyError {
    let error = format.parse(&file(format, keys)).unwrap_err();
    shows_nothing(&error, keys);
    error
}

#[track_caller]
fn shows_nothing(error: &TicketKeyError, keys: &[Raw]) {
    let shown = format!("{error} {error:?}");
    for secret in keys.iter().flat_map(|key| [&key.mac, &key.aes]) {
        let decimals = format!("{:?}", &secret[..3]);
        let digits = hex(&secret[..3]);
        assert!(
            !shown.contains(decimals.trim_matches(['[', ']'])),
            "{shown}"
        );
        assert!(!shown.to_lowercase().contains(&digits), "{shown}");
    }
}

/// Keys of which the one at each place in turn is made bad.
fn each_place(mut test: impl FnMut(Format, Vec<Raw>, usize)) {
    for format in Format::ALL {
        for place in 0..4 {
            test(format, (0..4).map(|n| key(format, n)).collect(), place);
        }
    }
}

#[test]
fn the_keys_that_are_spoilt_below_are_good() {
    for format in Format::ALL {
        let keys: Vec<_> = (0..4).map(|n| key(format, n)).collect();
        if format.is_one_key_a_file() {
            keys.iter().for_each(|key| {
                let file = file(format, slice::from_ref(key));
                assert_eq!(format.parse(&file).unwrap().len(), 1);
            });
            let expected = TicketKeyError::OneKeyAFile { keys: 4 };
            assert_eq!(refused(format, &keys), expected);
            continue;
        }
        assert_eq!(format.parse(&file(format, &keys)).unwrap().len(), 4);
    }
}

#[test]
fn weak_keys_are_refused_and_named() {
    let spoil = |fault: KeyFault, spoil: fn(&mut Raw)| {
        each_place(|format, mut keys, place| {
            spoil(&mut keys[place]);
            let expected = TicketKeyError::Bad {
                at: at(format, place),
                fault,
            };
            assert_eq!(refused(format, &keys), expected, "{format}");
            let (shown, named) = (expected.to_string(), format!("ticket key {}", place + 1));
            assert!(shown.contains(&named), "{shown}");
        });
    };
    spoil(KeyFault::AllZero, |key| {
        key.mac.fill(0);
        key.aes.fill(0);
    });
    spoil(KeyFault::RepeatedByte, |key| key.mac.fill(7));
    spoil(KeyFault::RepeatedByte, |key| key.mac.fill(0));
    spoil(KeyFault::RepeatedByte, |key| key.aes.fill(7));
    spoil(KeyFault::RepeatedByte, |key| key.aes.fill(0));
    spoil(KeyFault::EqualSecrets, |key| {
        key.mac[..key.aes.len()].copy_from_slice(&key.aes);
    });
}

/// Each key in turn takes something over from each key before it.
fn twice(take: fn(&mut Raw, Raw), error: fn(KeyLocation, KeyLocation) -> TicketKeyError) {
    each_place(|format, mut keys, second| {
        for first in 0..second {
            let other = keys[first].clone();
            take(&mut keys[second], other);
            let expected = error(at(format, first), at(format, second));
            assert_eq!(refused(format, &keys), expected, "{format}");
        }
    });
}

#[test]
fn one_name_twice_is_refused() {
    let error = |first, second| TicketKeyError::DuplicateName { first, second };
    twice(|key, other| key.name = other.name, error);
}

#[test]
fn one_pair_of_secrets_twice_is_refused() {
    let error = |first, second| TicketKeyError::DuplicateMaterial { first, second };
    twice(
        |key, other| (key.mac, key.aes) = (other.mac, other.aes),
        error,
    );
}

#[test]
fn a_mac_secret_and_the_same_with_zeros_behind_it_are_one() {
    let Raw { name, mac, aes } = key(Format::Nginx80, 1);
    let padded = [&mac[..16], &[0; 16]].concat();
    let keys = [(name, &mac[..16]), ([7; 16], &padded)];
    let keys = keys.into_iter().enumerate().map(|(record, (name, mac))| {
        let key = TicketKey::new(name, mac, &aes).unwrap();
        KeyEntry::new(key, KeyRole::Seal, KeyLocation::record(record))
    });
    let expected = TicketKeyError::DuplicateMaterial {
        first: KeyLocation::record(0),
        second: KeyLocation::record(1),
    };
    assert_eq!(TicketKeys::new(keys.collect()).unwrap_err(), expected);
}

#[test]
fn records_that_are_not_whole_are_none() {
    for format in Format::ALL {
        let Some(secret) = secret(format).filter(|_| !is_haproxy(format)) else {
            continue;
        };
        let whole = file(format, &[key(format, 1)]);
        let record = 16 + 2 * secret;
        for len in [0, 1, 16, record - 1] {
            let expected = TicketKeyError::TooShort { len, record };
            assert_eq!(format.parse(&whole[..len]).unwrap_err(), expected);
        }
        assert_eq!(format.parse(&whole).unwrap().len(), 1);
    }
}

#[test]
fn lines_of_another_length_are_refused_and_named() {
    for format in [Format::Haproxy48, Format::Haproxy80] {
        each_place(|_, _, place| {
            let mut keys: Vec<_> = (0..4).map(|n| key(format, n)).collect();
            for change in [-3, -1, 1, 3, 32, 100] {
                let len = 16 + change + secret(format).unwrap() as isize;
                keys[place].mac = records::secret(7, len.unsigned_abs());
                match refused(format, &keys) {
                    TicketKeyError::Syntax { line, reason } => {
                        assert_eq!(line, place + 1);
                        assert!(reason.starts_with("expected base64 of "), "{reason}");
                        let record = format!("{} bytes", 16 + 2 * secret(format).unwrap());
                        assert!(reason.contains(&record), "{reason}");
                    }
                    other => panic!("{other}"),
                }
            }
        });
    }
}

#[test]
fn lines_that_are_no_base64_are_refused_and_named() {
    let keys = [1, 2, 3].map(|n| key(Format::Haproxy48, n));
    let good = String::from_utf8(file(Format::Haproxy48, &keys)).unwrap();
    let bad = [
        "# a comment\n".to_owned() + &good,
        " ".to_owned() + &good,
        good[1..].to_owned(),
        good.replacen('A', "-", 1),
        good.replacen('A', "=", 1),
        good.replacen('A', "\0", 1),
        good.replacen('\n', " ", 1),
        good.replacen('\n', "====\n", 1),
    ];
    for text in &bad {
        let error = Format::Haproxy48.parse(text.as_bytes()).unwrap_err();
        let expected = matches!(error, TicketKeyError::Syntax { line: 1, reason }
            if reason.starts_with("expected base64"));
        assert!(expected, "{error}, for {text}");
    }
    let crlf = good.replace('\n', "\r\n\r\n");
    assert_eq!(Format::Haproxy48.parse(crlf.as_bytes()).unwrap().len(), 3);
}

#[test]
fn haproxy_wants_three_keys() {
    for format in [Format::Haproxy48, Format::Haproxy80] {
        let all = [1, 2, 3].map(|n| key(format, n));
        for keys in 0..3 {
            let expected = TicketKeyError::TooFew { keys, least: 3 };
            assert_eq!(refused(format, &all[..keys]), expected);
        }
        assert_eq!(format.parse(&file(format, &all)).unwrap().len(), 3);
    }
}

#[test]
fn h2o_wants_a_key() {
    for text in ["", "\n\n", "---\n", "# nothing\n"] {
        let error = Format::H2o.parse(text.as_bytes()).unwrap_err();
        assert_eq!(error, TicketKeyError::NothingSeals);
    }
}

#[test]
fn there_is_a_most_of_keys() {
    for format in Format::ALL {
        let most = TicketKeys::MAX_KEYS as u16;
        let keys: Vec<_> = (0..=most).map(|n| key(format, n)).collect();
        let content = file(format, &keys);
        assert_eq!(format.parse(&content).unwrap_err(), TicketKeyError::TooMany);
        if format.is_one_key_a_file() {
            continue;
        }
        let content = file(format, &keys[1..]);
        assert_eq!(format.parse(&content).unwrap().len(), TicketKeys::MAX_KEYS);
    }
}
