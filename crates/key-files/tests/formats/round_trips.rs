//! From each format to each format that can carry the keys, and back.

use std::slice;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;
use rekindle::tickets::{Fingerprint, TicketKeys};
use rekindle_key_files::{TicketKeyFormat as Format, WriteError};

use crate::raw::{Raw, file, h2o_item, is_haproxy, secret};
use crate::read;
use crate::writing::ring;

const NOW: u64 = 1_700_000_000;

fn format() -> impl Strategy<Value = Format> {
    select(Format::ALL.to_vec())
}

/// Keys for a cipher, whose MAC secrets fit into its records. They look random, no two are alike.
fn keys() -> impl Strategy<Value = Vec<Raw>> {
    let key = |len: usize| (any::<[u8; 16]>(), prop::collection::vec(0..4_u8, 2 * len));
    let keys = select(vec![16, 32]).prop_flat_map(move |len| prop::collection::vec(key(len), 1..7));
    keys.prop_map(|keys| {
        let keys = keys.into_iter().zip(0..).map(|((mut name, secrets), n)| {
            let (mac, aes) = secrets.split_at(secrets.len() / 2);
            let (mut mac, mut aes) = (mac.to_vec(), aes.to_vec());
            name[0] = n;
            // What shrinks to zeros is no key.
            let random = crate::records::secret(n.into(), 2 * mac.len());
            mac.iter_mut()
                .zip(&random)
                .for_each(|(byte, random)| *byte ^= random);
            aes.iter_mut()
                .zip(&random[mac.len()..])
                .for_each(|(byte, random)| *byte ^= random);
            Raw { name, mac, aes }
        });
        keys.collect()
    })
}

/// The keys as a file of that format, if they can be one. h2o's take turns around now.
fn parse(format: Format, keys: &[Raw]) -> Option<TicketKeys> {
    let fits = secret(format).is_none_or(|len| len == keys[0].aes.len());
    if !fits || is_haproxy(format) && keys.len() < 3 {
        return None;
    }
    let content = if format == Format::H2o {
        let items = keys
            .iter()
            .zip(0..)
            .map(|(key, n)| h2o_item(key, NOW - 100 * (n % 3) + 50 * (n / 3), NOW + 1000 + n));
        items.collect::<String>().into_bytes()
    } else if format.is_one_key_a_file() {
        let files: Vec<_> = keys
            .iter()
            .map(|key| file(format, slice::from_ref(key)))
            .collect();
        return Some(read(format, &files));
    } else {
        file(format, keys)
    };
    Some(format.parse(&content).unwrap())
}

fn sorted(keys: &TicketKeys) -> Vec<String> {
    let mut all: Vec<_> = keys
        .iter()
        .map(|key| key.fingerprint().to_string())
        .collect();
    all.sort_unstable();
    all
}

/// Those that are to come are keys that open in formats of records.
fn without_next(
    ring: (Vec<Fingerprint>, Fingerprint, Vec<Fingerprint>),
) -> (Fingerprint, Vec<Fingerprint>) {
    (ring.1, [ring.0, ring.2].concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn all_keys_arrive_and_the_same_one_seals(keys in keys(), from in format(), to in format()) {
        let now = Duration::from_secs(NOW);
        let Some(first) = parse(from, &keys) else { return Ok(()) };
        let before = ring(&first, now);
        let written = match to.write(&first, now) {
            Ok(written) => written,
            Err(WriteError::Cipher { .. }) => {
                prop_assert_ne!(secret(to).unwrap(), keys[0].aes.len());
                return Ok(());
            }
            Err(WriteError::TooFew { .. }) => {
                prop_assert!(is_haproxy(to) && keys.len() < 3);
                return Ok(());
            }
            Err(WriteError::NotOneNext { keys }) => {
                prop_assert!(is_haproxy(to) && keys == before.0.len() && keys != 1);
                return Ok(());
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        prop_assert!(secret(to).is_none_or(|len| len == keys[0].aes.len()));
        let second = read(to, &written);
        prop_assert_eq!(sorted(&first), sorted(&second));
        let after = ring(&second, now);
        if to == Format::H2o || is_haproxy(to) {
            prop_assert_eq!(&before, &after);
        } else {
            prop_assert_eq!(without_next(before), without_next(after));
        }
        // What is read is written as it was.
        prop_assert_eq!(to.write(&second, now).unwrap(), written);
    }
}
