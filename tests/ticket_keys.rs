//! Ticket keys from bytes and from files: what is taken, what is refused, which update wins.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rekindle::tickets::{
    Reload, TicketFileError, TicketKeyError, TicketKeyFile, TicketKeys, TicketRing,
};
use tempfile::TempDir;

/// `name[16] | hmac_secret[16] | aes_key[16]`
fn record(name: u8) -> [u8; 48] {
    let mut record = [0; 48];
    record[..16].fill(name);
    record[16..32].fill(name.wrapping_add(1));
    record[32..].fill(name.wrapping_add(2));
    record
}

fn names(keys: &TicketKeys) -> Vec<u8> {
    keys.iter().map(|key| key.name()[0]).collect()
}

#[test]
fn the_first_record_seals_and_all_open() {
    let keys = TicketKeys::parse(&[record(7), record(8)].concat()).unwrap();
    let sealing = keys.sealing();
    assert_eq!(sealing.name(), &[7; 16]);
    assert_eq!(sealing.hmac_secret(), &[8; 16]);
    assert_eq!(sealing.aes_key(), &[9; 16]);
    assert_eq!(keys.opening(&[7; 16]).unwrap().0, 0);
    let (place, key) = keys.opening(&[8; 16]).unwrap();
    assert_eq!((place, key.aes_key()), (1, &[10; 16]));
    assert!(keys.opening(&[9; 16]).is_none());
}

#[test]
fn bad_records_are_refused_and_the_ring_stays() {
    let ring = TicketRing::new(TicketKeys::parse(&record(1)).unwrap());
    let refused = |bytes: &[u8]| ring.update(bytes).unwrap_err();
    assert_eq!(refused(&[]), TicketKeyError::TooShort { len: 0 });
    assert_eq!(refused(&[5; 47]), TicketKeyError::TooShort { len: 47 });
    assert_eq!(refused(&[0; 48]), TicketKeyError::AllZero { record: 0 });
    let second_is_zero = [record(2), [0; 48]].concat();
    assert_eq!(
        refused(&second_is_zero),
        TicketKeyError::AllZero { record: 1 }
    );
    let twins = [record(2), record(3), record(2)].concat();
    let same_name = TicketKeyError::DuplicateName {
        first: 0,
        second: 2,
    };
    assert_eq!(refused(&twins), same_name);
    assert_eq!(names(&ring.load()), [1]);
}

#[test]
fn what_is_behind_the_last_record_is_ignored_and_counted() {
    let ring = TicketRing::random().unwrap();
    let update = ring.update(&[&record(1)[..], b"\n"].concat()).unwrap();
    assert_eq!((update.keys, update.trailing), (1, 1));
    assert_eq!(ring.update(&record(1)).unwrap().trailing, 0);
}

#[test]
fn random_keys_differ() {
    let (a, b) = (TicketRing::random().unwrap(), TicketRing::random().unwrap());
    assert_ne!(a.load().sealing().name(), b.load().sealing().name());
    assert_ne!(a.load().sealing().aes_key(), b.load().sealing().aes_key());
    assert_ne!(
        a.load().sealing().fingerprint(),
        b.load().sealing().fingerprint()
    );
}

#[test]
fn fingerprints_tell_whole_keys_apart() {
    let fingerprint = |r: &[u8]| TicketKeys::parse(r).unwrap().sealing().fingerprint();
    let one = fingerprint(&record(1));
    assert_eq!(one, fingerprint(&record(1)));
    assert_eq!(one.to_string().len(), 16);
    for byte in [0, 16, 32, 47] {
        let mut other = record(1);
        other[byte] ^= 1;
        assert_ne!(one, fingerprint(&other), "byte {byte}");
    }
}

#[test]
fn debug_never_shows_a_key() {
    let secret: Vec<u8> = (0..48).map(|i| 0xA0 + i).collect();
    let ring = TicketRing::new(TicketKeys::parse(&secret).unwrap());
    let keys = ring.load();
    let shown = format!("{ring:?} {keys:?} {:?} {:?}", &*keys, keys.sealing());
    assert!(shown.contains(&keys.sealing().fingerprint().to_string()));
    // Neither as decimal lists nor as hexadecimal digits.
    for part in ["176, 177", "192, 193", "b0b1", "B0B1", "c0c1", "C0C1"] {
        assert!(!shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn a_reload_takes_new_content_only() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keys");
    fs::write(&path, record(1)).unwrap();
    let (mut file, ring) = TicketKeyFile::open(&path).unwrap();
    assert_eq!(names(&ring.load()), [1]);
    assert_eq!(file.reload(&ring).unwrap(), Reload::Unchanged);

    // The most recent update wins: an unchanged file does not undo what came through the API,
    // not even with a new time stamp.
    ring.update(&record(5)).unwrap();
    fs::write(&path, record(1)).unwrap();
    assert_eq!(file.reload(&ring).unwrap(), Reload::Unchanged);
    assert_eq!(names(&ring.load()), [5]);

    // A changed one does, even with an old time stamp.
    fs::write(&path, [record(2), record(1)].concat()).unwrap();
    let touched = Command::new("touch")
        .args(["-d", "2001-01-01"])
        .arg(&path)
        .status();
    assert!(touched.unwrap().success());
    let Reload::Updated(update) = file.reload(&ring).unwrap() else {
        panic!("an update")
    };
    assert_eq!(update.keys, 2);
    assert_eq!(names(&ring.load()), [2, 1]);
}

#[test]
fn a_bad_file_leaves_the_ring_as_it_is_and_is_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keys");
    fs::write(&path, record(1)).unwrap();
    let (mut file, ring) = TicketKeyFile::open(&path).unwrap();
    let mut refused = |what: &str| {
        let error = file.reload(&ring).unwrap_err();
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(names(&ring.load()), [1]);
        error
    };
    fs::write(&path, b"short").unwrap();
    let error = refused("5 bytes do not hold a ticket key");
    assert!(matches!(error, TicketFileError::Malformed { .. }));
    refused("5 bytes"); // and again: it is not taken for unchanged
    fs::write(&path, [0; 48]).unwrap();
    refused("ticket key 1 is all zeros");
    fs::write(&path, vec![7; TicketKeyFile::MAX_LEN + 1]).unwrap();
    assert!(matches!(
        refused("longer than"),
        TicketFileError::TooLong { .. }
    ));
    fs::remove_file(&path).unwrap();
    let error = refused("No such file");
    assert!(matches!(error, TicketFileError::Unreadable { .. }));
    fs::create_dir(&path).unwrap();
    assert!(matches!(
        refused("not a regular file"),
        TicketFileError::NotAFile { .. }
    ));
    fs::remove_dir(&path).unwrap();

    // A pipe that nobody writes to, and a file without an end: neither may hang.
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    refused("not a regular file");
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    refused("not a regular file");
    fs::remove_file(&path).unwrap();

    fs::write(&path, record(1)).unwrap();
    assert_eq!(file.reload(&ring).unwrap(), Reload::Unchanged);
    fs::write(&path, record(3)).unwrap();
    assert!(matches!(file.reload(&ring), Ok(Reload::Updated(_))));
}

#[test]
fn opening_a_file_that_is_not_there_says_so() {
    let error = TicketKeyFile::open("/nonexistent/ticket.keys").unwrap_err();
    assert!(error.to_string().contains("/nonexistent/ticket.keys"));
}

#[test]
fn a_ring_is_replaced_as_a_whole() {
    let ring = TicketRing::new(TicketKeys::parse(&[record(1), record(2)].concat()).unwrap());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for i in 0..20_000u32 {
                let first = (i % 100) as u8 + 1;
                ring.update(&[record(first), record(first + 1)].concat())
                    .unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            let keys = ring.load();
            let names = names(&keys);
            assert_eq!(names[1], names[0] + 1);
            assert_eq!(keys.sealing().aes_key()[0], names[0] + 2);
        }
        writer.join().unwrap();
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn parsing_never_panics_and_keeps_every_record(bytes in prop::collection::vec(0u8..3, 0..300)) {
        let records: Vec<&[u8]> = bytes.chunks_exact(48).collect();
        let mut names: Vec<&[u8]> = records.iter().map(|r| &r[..16]).collect();
        names.sort();
        names.dedup();
        match TicketKeys::parse(&bytes) {
            Ok(keys) => {
                prop_assert_eq!(keys.len(), records.len());
                prop_assert_eq!(keys.trailing(), bytes.len() % 48);
                prop_assert_eq!(names.len(), records.len());
                for (key, record) in keys.iter().zip(&records) {
                    let parts = [*key.name(), *key.hmac_secret(), *key.aes_key()];
                    prop_assert_eq!(parts.as_flattened(), *record);
                }
            }
            Err(TicketKeyError::TooShort { len }) => prop_assert!(len == bytes.len() && len < 48),
            Err(TicketKeyError::AllZero { record }) => prop_assert!(records[record].iter().all(|b| *b == 0)),
            Err(TicketKeyError::DuplicateName { first, second }) => {
                prop_assert!(first < second);
                prop_assert_eq!(&records[first][..16], &records[second][..16]);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
