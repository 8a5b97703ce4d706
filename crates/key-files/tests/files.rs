//! Ticket keys from files: what is taken, what is refused, which update wins.

#[path = "../../../tests/common/records.rs"]
mod records;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use records::{names, record, ring};
use rekindle::tickets::{
    KeyLookup, KeyPosition, KeyRole, TicketKeyError, TicketKeys, TicketRing, TicketSecret,
};
use rekindle_key_files::{
    Reload, TicketFileFault as Fault, TicketKeyFile, TicketKeyFormat, secret_text,
};
use tempfile::TempDir;

/// A folder with a file of key 1.
fn first_file() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keys");
    fs::write(&path, record(1)).unwrap();
    (dir, path)
}

fn open(path: &Path) -> (TicketKeyFile, TicketRing) {
    let mut file = TicketKeyFile::keys(path, TicketKeyFormat::TrafficServer48);
    let ring = file.open(TicketRing::builder()).unwrap();
    (file, ring)
}

#[test]
fn a_reload_takes_new_content_only() {
    let (_dir, path) = first_file();
    let (mut file, ring) = open(&path);
    assert_eq!(names(&ring), [1]);
    assert_eq!(file.reload(&ring).unwrap(), Reload::Unchanged);

    // The most recent update wins: an unchanged file does not undo what came through the API,
    // not even with a new time stamp.
    ring.update(&record(5)).unwrap();
    fs::write(&path, record(1)).unwrap();
    assert_eq!(file.reload(&ring).unwrap(), Reload::Unchanged);
    assert_eq!(names(&ring), [5]);

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
    assert_eq!(names(&ring), [2, 1]);
}

#[test]
fn a_bad_file_leaves_the_ring_as_it_is_and_is_named() {
    let (_dir, path) = first_file();
    let (mut file, ring) = open(&path);
    let mut refused = |what: &str, is: fn(&Fault) -> bool| {
        let error = file.reload(&ring).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(path.to_str().unwrap()), "{shown}");
        assert!(shown.contains(what) && is(&error.fault), "{shown}");
        assert_eq!(names(&ring), [1]);
    };
    let is_malformed = |fault: &Fault| matches!(fault, Fault::Malformed(_));
    let is_not_a_file = |fault: &Fault| matches!(fault, Fault::NotAFile);
    fs::write(&path, b"short").unwrap();
    refused("5 bytes do not hold a ticket key", is_malformed);
    refused("5 bytes", is_malformed); // and again: it is not taken for unchanged
    fs::write(&path, [0; 48]).unwrap();
    refused("ticket key 1 is all zeros", is_malformed);
    fs::write(&path, vec![7; TicketKeyFile::MAX_LEN + 1]).unwrap();
    refused("longer than", |fault| matches!(fault, Fault::TooLong));
    fs::remove_file(&path).unwrap();
    refused("No such file", |fault| {
        matches!(fault, Fault::Unreadable(_))
    });
    fs::create_dir(&path).unwrap();
    refused("there is no file of ticket keys", |fault| {
        matches!(fault, Fault::EmptyFolder { .. })
    });
    fs::remove_dir(&path).unwrap();

    // A pipe without a writer, and a file without an end: neither may hang.
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    refused("not a regular file", is_not_a_file);
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    refused("not a regular file", is_not_a_file);
    fs::remove_file(&path).unwrap();

    fs::write(&path, record(1)).unwrap();
    assert_eq!(file.reload(&ring).unwrap(), Reload::Unchanged);
    fs::write(&path, record(3)).unwrap();
    assert!(matches!(file.reload(&ring), Ok(Reload::Updated(_))));
}

#[test]
fn opening_a_file_that_is_not_there_says_so() {
    let path = "/nonexistent/ticket.keys";
    let keys = TicketKeyFile::keys(path, TicketKeyFormat::TrafficServer48);
    for mut file in [keys, TicketKeyFile::secret(path)] {
        let error = file.open(TicketRing::builder()).unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
    }
}

#[test]
fn of_a_folder_the_greatest_name_seals_and_next_ones_only_open() {
    let dir = TempDir::new().unwrap();
    let put = |name: &str, number| fs::write(dir.path().join(name), record(number)).unwrap();
    put("2026-11-01", 1);
    put("2026-11-02", 2);
    put("2026-11-03.next", 3);
    put(".hidden", 4);
    fs::create_dir(dir.path().join("2026-11-09")).unwrap();
    let (mut file, ring) = open(dir.path());
    let sealing = || ring.load().sealing(ring.now()).unwrap().key().name()[0];
    assert_eq!((names(&ring), sealing()), (vec![3, 2, 1], 2));
    let (keys, now) = (ring.load(), ring.now());
    let third = keys.opening(&[3; 16], now);
    assert!(matches!(third, KeyLookup::Key(_, KeyPosition::Next)));

    // A new name is a new meaning.
    let path = |name: &str| dir.path().join(name);
    fs::rename(path("2026-11-03.next"), path("2026-11-03")).unwrap();
    assert!(matches!(file.reload(&ring), Ok(Reload::Updated(_))));
    assert_eq!((names(&ring), sealing()), (vec![3, 2, 1], 3));
    assert_eq!(file.reload(&ring).unwrap(), Reload::Unchanged);

    // Errors name the file, and duplicates both files.
    put("2026-11-04", 0);
    fs::write(path("2026-11-04"), [5; 48]).unwrap();
    let error = file.reload(&ring).unwrap_err().to_string();
    assert!(error.contains("2026-11-04: ticket key 1"), "{error}");
    let mut another = record(1);
    another[16..].copy_from_slice(&record(9)[16..]);
    fs::write(path("2026-11-04"), another).unwrap();
    let error = file.reload(&ring).unwrap_err().to_string();
    assert!(error.contains("2026-11-04 and "), "{error}");
    assert!(error.contains("2026-11-01 have the same name"), "{error}");
    let mut renamed = record(1);
    renamed[..16].fill(8);
    fs::write(path("2026-11-04"), renamed).unwrap();
    let error = file.reload(&ring).unwrap_err().to_string();
    let same = "2026-11-01 have the same secrets";
    assert!(error.contains(same), "{error}");
    assert_eq!(sealing(), 3);
}

#[test]
fn a_secret_in_a_file_is_read_again_and_named_when_it_is_bad() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("secret");
    const REST: &str = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327a";
    let secret = |byte: u8| format!("secret {byte:02x}{REST}\nperiod 3600\n");
    fs::write(&path, secret(1)).unwrap();
    let mut file = TicketKeyFile::secret(&path);
    let ring = file.open(TicketRing::builder()).unwrap();
    let sealing = || ring.load().sealing(ring.now()).unwrap().key().fingerprint();
    let before = sealing();
    assert_eq!(file.reload(&ring).unwrap(), Reload::Unchanged);
    let good = secret(1);
    let of_ten_seconds = good.replace("3600", "10");
    for (why, content) in [
        ("no line `secret", String::new()),
        ("no line `period", good.replace("period 3600", "")),
        ("whole seconds, 10 to", good.replace("3600", "9")),
        (
            "line 2: expected a word and one value",
            good.replace("3600", "an hour"),
        ),
        ("line 2: expected a number", good.replace("3600", "1h")),
        (
            "line 1: expected 64 hexadecimal digits",
            good.replace("8f43", "xx"),
        ),
        (
            "the secret looks like a pattern",
            good.replace(REST, &"01".repeat(31)),
        ),
        (
            "line 3: this word has been given before",
            format!("{good}secret 00"),
        ),
        ("past this period", format!("{good}ratchet 99999999")),
        ("too old", format!("{of_ten_seconds}ratchet 1\n")),
        ("line 3: expected `secret`", format!("{good}key 1")),
        ("line 3: expected a number", format!("{good}pace x")),
        ("line 3: expected 1 to", format!("{good}session-timeout 0")),
    ] {
        fs::write(&path, &content).unwrap();
        let error = file.reload(&ring).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert!(error.contains(why), "{error}");
        assert!(!error.contains(&REST[..8]), "{error}");
        assert_eq!(sealing(), before);
    }
    fs::write(&path, secret(2)).unwrap();
    assert!(matches!(file.reload(&ring), Ok(Reload::Updated(_))));
    assert_ne!(sealing(), before);
}

#[test]
fn text_that_another_reader_is_for_is_no_key() {
    let ring = ring(&[record(1)]);
    let secret = TicketSecret::random(Duration::from_secs(60), None).unwrap();
    let keys = TicketKeys::parse(&[record(1), record(2), record(3)].concat()).unwrap();
    let [first, second, third] = [0, 1, 2].map(|i| keys.entries().nth(i).unwrap());
    let three = [
        first.with_role(KeyRole::Next),
        second.with_role(KeyRole::Seal),
        third.clone(),
    ];
    let three = TicketKeys::new(three.to_vec()).unwrap();
    let now = Duration::from_secs(1_800_000_000);
    let written = |format: TicketKeyFormat| format.write(&three, now).unwrap().remove(0);
    for (content, what) in [
        (secret_text(&secret.into()).as_bytes(), "a secret"),
        (&written(TicketKeyFormat::Haproxy48)[..], "HAProxy"),
        (&written(TicketKeyFormat::H2o)[..], "h2o"),
    ] {
        let error = ring.update(content).unwrap_err();
        assert!(matches!(error, TicketKeyError::NotRecords(_)), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
    assert_eq!(names(&ring), [1]);
}
