//! Bytes that were not drawn at random are no ticket keys, and bytes that were are.

#[path = "common/records.rs"]
mod records;

use std::env;
use std::iter;
use std::process::Command;
use std::thread;
use std::time::Duration;

use records::{record, secret};
use rekindle::tickets::{
    KeyFault, RecordLayout, Resemblance, SecretError, TicketCipher, TicketKey, TicketKeyError,
    TicketKeys, TicketSecret,
};

const AES_256: RecordLayout = RecordLayout {
    cipher: TicketCipher::Aes256,
    hmac_first: true,
};
const LAYOUTS: [RecordLayout; 2] = [RecordLayout::TRAFFIC_SERVER, AES_256];

/// What the first whole records of some content look like, in each layout that it fills.
#[track_caller]
fn refused(content: &[u8]) -> Vec<Resemblance> {
    let records = |layout: RecordLayout| &content[..content.len() - content.len() % layout.len()];
    let layouts = LAYOUTS
        .into_iter()
        .filter(|layout| layout.len() <= content.len());
    let found = layouts.map(|layout| {
        TicketKeys::parse_records(content, layout).expect_err("no keys");
        match TicketKeys::parse_records(records(layout), layout).expect_err("no keys") {
            TicketKeyError::NotRecords(resemblance) => resemblance,
            TicketKeyError::Bad {
                fault: KeyFault::NotRandom(resemblance),
                ..
            } => resemblance,
            other => panic!("{other}"),
        }
    });
    let mut found: Vec<_> = found.collect();
    found.dedup();
    assert!(!found.is_empty());
    found
}

fn openssl(arguments: &str) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments.split(' ')).output();
    let output = output.expect("openssl runs");
    assert!(output.status.success(), "{arguments}: {output:?}");
    output.stdout
}

#[test]
fn what_openssl_writes_is_no_key_but_for_raw_random_bytes() {
    let p256 = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
    for (command, expected) in [
        (p256, Resemblance::Pem),
        ("genpkey -algorithm ED25519", Resemblance::Pem),
        ("genrsa 2048", Resemblance::Pem),
        ("ecparam -name prime256v1 -genkey", Resemblance::Pem),
        ("rand -hex 48", Resemblance::Hexadecimal),
        ("rand -hex 80", Resemblance::Hexadecimal),
        ("rand -base64 48", Resemblance::Base64),
        ("rand -base64 80", Resemblance::Base64),
    ] {
        assert_eq!(refused(&openssl(command))[0], expected, "{command}");
    }
    let der = openssl(&format!("{p256} -outform DER"));
    let rsa = openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -outform DER");
    let sec1 = openssl("ecparam -name prime256v1 -genkey -noout -outform DER");
    for der in [&der, &rsa, &sec1] {
        // Whole, cut short, or cut to whole records as `TSSslTicketKeyUpdate` does.
        for len in [der.len(), der.len() - 1, 80, 48, der.len() / 48 * 48] {
            let error = TicketKeys::parse(&der[..len]).unwrap_err();
            assert_eq!(error, TicketKeyError::NotRecords(Resemblance::Der), "{len}");
        }
    }
    for layout in LAYOUTS {
        let raw = openssl(&format!("rand {}", layout.len()));
        assert_eq!(TicketKeys::parse_records(&raw, layout).unwrap().len(), 1);
    }
}

#[test]
fn text_in_any_encoding_is_no_key() {
    let words = "Ticket keys are to be drawn at random; these words were chosen. ".repeat(3);
    let russian = "Случайные байты не похожи на слова, которые кто-то выбрал. ".repeat(2);
    let digits: String = secret(7, 80)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let utf16 = |text: &str, swap: bool| -> Vec<u8> {
        let units = text.encode_utf16();
        units
            .flat_map(|unit| {
                if swap {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    };
    let utf32 = |text: &str| -> Vec<u8> {
        text.chars()
            .flat_map(|char| u32::from(char).to_le_bytes())
            .collect()
    };
    assert_eq!(refused(words.as_bytes()), [Resemblance::Text]);
    assert_eq!(refused(russian.as_bytes()), [Resemblance::Text]);
    assert_eq!(refused(digits.as_bytes())[0], Resemblance::Hexadecimal);
    for text in [&words, &digits] {
        refused(&utf16(text, false));
        refused(&utf16(text, true));
        refused(&[&[0xFF, 0xFE][..], &utf16(text, false)].concat());
        refused(&utf32(text));
    }
    refused(&utf16(&russian, false));
}

#[test]
fn bytes_that_were_read_as_text_are_no_key() {
    let random = secret(3, 200);
    let lossy = String::from_utf8_lossy(&random).into_owned();
    assert_eq!(refused(lossy.as_bytes()), [Resemblance::Recoded]);
    let latin_1: String = random.iter().map(|byte| char::from(*byte)).collect();
    assert_eq!(refused(latin_1.as_bytes()), [Resemblance::Recoded]);
    let ascii: Vec<u8> = random.iter().map(|byte| byte & 0x7F).collect();
    assert_eq!(refused(&ascii), [Resemblance::Text]);
}

#[test]
fn patterns_are_no_key() {
    let counter: Vec<u8> = (0..=255).collect();
    let down: Vec<u8> = counter.iter().rev().copied().collect();
    let period: Vec<u8> = secret(5, 12).into_iter().cycle().take(160).collect();
    let xor: Vec<u8> = (0..160_u8).map(|i| i ^ 0x5A).collect();
    let steps: Vec<u8> = (0..160_u8).map(|i| i.wrapping_mul(73)).collect();
    for content in [&counter, &down, &period, &xor, &steps] {
        assert_eq!(refused(content), [Resemblance::Pattern]);
    }
    // Zeros where a reader came to the end too early.
    let mut cut = record(1);
    cut[42..].fill(0);
    assert_eq!(refused(&cut), [Resemblance::Pattern]);
}

#[test]
fn one_of_the_two_secrets_may_be_a_password() {
    for place in [16, 32] {
        let mut record = record(2);
        record[place..place + 16].copy_from_slice(b"correcthorse1234");
        assert_eq!(refused(&record), [Resemblance::Text]);
    }
}

#[test]
fn a_name_has_no_part_of_the_secrets() {
    let good = record(2);
    let bytes = secret(9, 16);
    for (from, to) in [(16, 0), (32, 0), (20, 3), (24, 8), (40, 0)] {
        let mut bad = good;
        bad[..16].copy_from_slice(&bytes);
        bad.copy_within(from..from + 8, to);
        let error = TicketKeys::parse(&bad).unwrap_err();
        let is_it =
            matches!(error, TicketKeyError::Bad { fault, .. } if fault == KeyFault::NameInSecrets);
        assert!(is_it, "{error}");
    }
}

#[test]
fn a_half_is_judged_by_itself() {
    let mut counter = record(4);
    counter[32..].copy_from_slice(&[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]);
    assert_eq!(refused(&counter), [Resemblance::Pattern]);
    let mut long = [&record(5)[..], &secret(6, 32)].concat();
    long[48..].copy_from_slice(b"correct horse battery staple xyz");
    let error = TicketKeys::parse_records(&long, AES_256).unwrap_err();
    assert!(
        error.to_string().contains("secrets that look like text"),
        "{error}"
    );
}

#[test]
fn a_name_may_be_text_and_a_mac_secret_padded() {
    let mut named = record(3);
    named[..16].copy_from_slice(b"2026-11-29-00:00");
    assert_eq!(TicketKeys::parse(&named).unwrap().len(), 1);
    let secrets = secret(4, 64);
    for len in [16, 32] {
        let mut mac = secrets[..len].to_vec();
        mac.resize(64, 0);
        TicketKey::new([9; 16], &mac, &secrets[32..]).unwrap();
    }
}

#[test]
fn a_secret_to_derive_keys_from_is_judged_as_well() {
    let new = |secret: &[u8; 32]| TicketSecret::new(secret, Duration::from_secs(60), None);
    new(secret(1, 32).first_chunk().unwrap()).unwrap();
    for (bytes, expected) in [
        (
            *b"0123456789abcdef0123456789abcdef",
            Resemblance::Hexadecimal,
        ),
        (*b"correct horse battery staple ...", Resemblance::Text),
        ([7; 32], Resemblance::Pattern),
        (std::array::from_fn(|i| i as u8), Resemblance::Pattern),
    ] {
        assert_eq!(new(&bytes).unwrap_err(), SecretError::NotRandom(expected));
    }
}

/// `REKINDLE_RANDOM_KEYS` says how many; `check --full` tries a hundred million of the shortest,
/// of which 0.1 may be refused by chance. The same ones each time.
#[test]
fn random_bytes_are_keys() {
    let keys = env::var("REKINDLE_RANDOM_KEYS").ok();
    let keys: u64 = keys.map_or(200_000, |keys| keys.parse().expect("a number"));
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let refused = |thread: u64| {
        let mut state = 0x2026_1129 ^ thread << 40;
        let mut next = || {
            // xorshift64*
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            u64::wrapping_mul(state, 0x2545_F491_4F6C_DD1D)
        };
        let mut record = [0; 48];
        let is_refused = |_: &u64| {
            record
                .chunks_exact_mut(8)
                .for_each(|part| part.copy_from_slice(&next().to_le_bytes()));
            TicketKeys::parse(&record).is_err()
        };
        (thread..keys)
            .step_by(threads as usize)
            .filter(is_refused)
            .count()
    };
    let refused = thread::scope(|scope| {
        let refused = &refused;
        let threads: Vec<_> = (0..threads)
            .map(|i| scope.spawn(move || refused(i)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum::<usize>()
    });
    assert_eq!(refused, 0, "of {keys}");
    let longer = (0..keys / 100).flat_map(|i| iter::once(secret(i, 80)));
    let refused = longer.filter(|record| TicketKeys::parse_records(record, AES_256).is_err());
    assert_eq!(refused.count(), 0);
}
