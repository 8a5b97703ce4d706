//! Raw records in base64 and in PEM, as people have them.

use base64ct::{Base64, Encoding};
use rekindle::tickets::{Resemblance, TicketKeyError};
use rekindle_key_files::TicketKeyFormat as Format;

use crate::records::{long_record, record};

/// As `openssl rand -base64` prints it: lines of 64 digits.
fn wrapped(bytes: &[u8]) -> String {
    let text = Base64::encode_string(bytes);
    let lines = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap());
    lines.map(|line| format!("{line}\n")).collect()
}

fn pem(bytes: &[u8]) -> String {
    let (begin, end) = ("BEGIN SESSION TICKET KEY", "END SESSION TICKET KEY");
    format!("-----{begin}-----\n{}-----{end}-----\n", wrapped(bytes))
}

#[track_caller]
fn is_same(format: Format, text: &str, records: &[u8]) {
    let fingerprints = |content: &[u8]| -> Vec<_> {
        let keys = format.parse(content).unwrap();
        keys.entries()
            .map(|entry| (entry.key().fingerprint(), entry.role))
            .collect()
    };
    assert_eq!(
        fingerprints(text.as_bytes()),
        fingerprints(records),
        "{text}"
    );
}

#[test]
fn base64_and_pem_are_read_where_they_are_clear() {
    let (short, long) = (record(1), long_record(1));
    for format in [Format::TrafficServer48, Format::Nginx48, Format::Apache48] {
        let line = Base64::encode_string(&short);
        for text in [
            line.clone(),
            format!("{line}\r\n"),
            wrapped(&short),
            pem(&short),
        ] {
            is_same(format, &text, &short);
        }
    }
    for format in [Format::Nginx80, Format::OpenSsl80, Format::Envoy80] {
        let line = Base64::encode_string(&long);
        for text in [
            line,
            wrapped(&long),
            pem(&long),
            pem(&long).replace('\n', "\r\n"),
        ] {
            is_same(format, &text, &long);
        }
    }
    // The first seals, the others open.
    let two = [record(1), record(2)].concat();
    let blocks = [pem(&record(1)), pem(&record(2))].concat();
    is_same(Format::TrafficServer48, &blocks, &two);
    is_same(Format::TrafficServer48, &Base64::encode_string(&two), &two);
}

#[test]
fn what_is_not_clear_is_refused() {
    let format = Format::Nginx48;
    let refused = |text: &str| format.parse(text.as_bytes()).unwrap_err();
    // Another size, keys of HAProxy's, something before, between and behind.
    let base64 = refused(&wrapped(&long_record(1)));
    assert_eq!(base64, TicketKeyError::NotRecords(Resemblance::Base64));
    let three = [1, 2, 3].map(|key| wrapped(&record(key))).concat();
    assert_eq!(
        refused(&three),
        TicketKeyError::NotRecords(Resemblance::Haproxy)
    );
    let good = pem(&record(1));
    for (text, line) in [
        (good.replace("-----END", "----END"), 1),
        (good.clone() + "more", 4),
        (good.clone() + &good.replace('\n', ""), 4),
        (good.replacen("KEY-----\n", "KEY-----\nAAAA", 1), 1),
        (good.clone() + &pem(&long_record(2)), 4),
        (good.lines().next().unwrap().to_owned(), 1),
    ] {
        let error = refused(&text);
        let is_syntax = matches!(error, TicketKeyError::Syntax { line: l, .. } if l == line);
        assert!(is_syntax, "{error}: {text}");
    }
    let key = good.replace("SESSION TICKET", "PRIVATE");
    assert_eq!(refused(&key), TicketKeyError::NotRecords(Resemblance::Pem));
}

/// All of it is base64 as well.
#[test]
fn digits_digests_and_words_are_no_base64_of_keys() {
    let digits: String = record(1).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = "/srv/backup/of/the/machine/that/was/there/before/tickets/key/old";
    let upper = digits[..64].to_uppercase();
    for line in [&digits[..64], &upper, &"ab".repeat(32), path] {
        assert_eq!(line.len(), 64, "{line}");
        for format in [Format::TrafficServer48, Format::Nginx48] {
            let error = format.parse(line.as_bytes()).unwrap_err();
            assert!(matches!(error, TicketKeyError::NotRecords(_)), "{error}");
        }
    }
    let keys = [1, 2, 3].map(|key| digits[key..key + 64].to_owned() + "\n");
    let error = Format::Haproxy48
        .parse(keys.concat().as_bytes())
        .unwrap_err();
    assert!(
        error.to_string().contains("digits, a digest or words"),
        "{error}"
    );
}

#[test]
fn what_text_holds_is_judged_as_raw_bytes_are() {
    let name = [0xE1; 16];
    let words = b"these are words, and no secrets.";
    for text in [
        pem(&[&name[..], words].concat()),
        wrapped(&[&name[..], words].concat()),
    ] {
        let error = Format::Nginx48.parse(text.as_bytes()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("ticket key 1 has secrets that look like text")
        );
    }
}
