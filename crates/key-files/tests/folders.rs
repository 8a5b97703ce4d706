//! Folders of ticket keys as operators and their tools leave them.
//!
//! `files.rs` tests which file of a good folder seals.

#[path = "../../../tests/common/records.rs"]
mod records;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use records::{long_record, record};
use rekindle::tickets::TicketRing;
use rekindle_key_files::{
    FolderOrder, KeyFileContent, Notice, Reload, TicketFileError, TicketFileFault as Fault,
    TicketKeyFile, TicketKeyFormat as Format,
};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let folder = Self(TempDir::new().unwrap());
        files
            .iter()
            .for_each(|(name, content)| folder.put(name, content));
        folder
    }

    fn put(&self, name: &str, content: &[u8]) {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    fn file(&self) -> TicketKeyFile {
        TicketKeyFile::keys(self.0.path(), Format::TrafficServer48)
    }

    /// The first bytes of the names of its keys, the one that seals first, and what is told of it.
    fn read(&self, order: FolderOrder) -> Result<(Vec<u8>, Vec<String>), TicketFileError> {
        let read = self.file().order(order).read()?;
        let KeyFileContent::Keys(keys) = read.content else {
            panic!("keys")
        };
        let place = format!("{}/", self.0.path().display());
        let told = read
            .notices
            .iter()
            .map(|notice| notice.to_string().replace(&place, ""));
        Ok((
            keys.iter().map(|key| key.name()[0]).collect(),
            told.collect(),
        ))
    }

    #[track_caller]
    fn refused(&self) -> TicketFileError {
        self.read(FolderOrder::Last).unwrap_err()
    }
}

#[test]
fn neighbours_are_passed_over_and_told() {
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let sums = format!("{}  2026-11-01.key\n", "0a".repeat(32));
    let utf16 = "\u{FEFF}Rotated by cron.".encode_utf16();
    let utf16: Vec<u8> = utf16.flat_map(u16::to_le_bytes).collect();
    let long = vec![b'x'; 2 << 20];
    let der = [
        &[0x30, 0x82, 0x01, 0x0A, 0x30, 0x82, 0x00, 0xB0, 0xA0][..],
        &record(3),
    ]
    .concat();
    let underlined = format!("Rotated by cron\n{}\n", "=".repeat(70));
    let neighbours: [(&str, &[u8], &str); 16] = [
        ("README", &record(3), "by its name, text"),
        ("notes", underlined.as_bytes(), "text"),
        ("latin-1", b"Schl\xFCssel, von cron erneuert\n", "text"),
        ("utf-16", &utf16, "text"),
        ("secret-notes", b"secret keys of the shop\n", "text"),
        ("long", &long, "longer than any file of keys"),
        ("z.der", &der, "DER of something else"),
        ("z.tar.gz", &record(4), "by its name, something that"),
        ("last-rotation", b"1764400000\n", "text"),
        ("z.stamp", b"2026-11-29T13:54:49Z", "text"),
        ("z.empty", b"", "an empty file"),
        ("z.blank", b"\n \n", "an empty file"),
        ("z.pem", certificate.as_bytes(), "PEM of something else"),
        ("SHA256SUMS", sums.as_bytes(), "text"),
        ("z.key~", &record(7), "by its name, something that"),
        ("z.key.bak", &record(8), "by its name, something that"),
    ];
    for (name, content, what) in neighbours {
        let folder = Folder::with(&[("2026-11-01.key", &record(1)), (name, content)]);
        let (keys, told) = folder.read(FolderOrder::Last).unwrap();
        assert_eq!(keys, [1], "{name}");
        let expected = format!("passed-over: {name} is not read: {what}");
        assert!(
            told.len() == 1 && told[0].starts_with(&expected),
            "{told:?}"
        );

        // They block no reload, and are no change.
        let mut file = folder.file();
        let ring = file.open(TicketRing::builder()).unwrap();
        folder.put(name, &[content, b"\n"].concat());
        assert_eq!(file.reload(&ring).unwrap(), Reload::Unchanged, "{name}");
        assert!(file.notices().iter().all(|notice| !notice.is_warning()));
    }
    let all: Vec<_> = neighbours
        .iter()
        .map(|(name, content, _)| (*name, *content))
        .collect();
    let error = Folder::with(&all).refused();
    assert!(matches!(error.fault, Fault::EmptyFolder { .. }), "{error}");
    let shown = error.to_string();
    assert!(
        neighbours.iter().all(|(name, ..)| shown.contains(name)),
        "{shown}"
    );
}

#[test]
fn what_may_be_keys_is_no_neighbour() {
    let digits: String = record(2).iter().map(|byte| format!("{byte:02x}")).collect();
    let pair = |pair: &[u8]| format!("{:02x}{:02x} ", pair[0], pair[1]);
    let dump: String = record(2)
        .chunks(16)
        .map(|row| {
            format!(
                "00000000: {}\n",
                row.chunks(2).map(pair).collect::<String>()
            )
        })
        .collect();
    let colons: Vec<_> = record(2).iter().map(|byte| format!("{byte:02X}")).collect();
    let wrapped = format!("{}\n{}\n", &digits[..60], &digits[60..]);
    let yaml = format!("data:\n  tickets.key: {}\n", "aB3/".repeat(16));
    let secret = format!("secret {}\nperiod 3600\n", &digits[..64]);
    let cut = &record(2)[..40];
    let lines = format!("{}\n{}\n", "A".repeat(64), "B".repeat(64));
    for (content, why) in [
        (dump.as_bytes(), "hexadecimal digits"),
        (colons.join(":").as_bytes(), "hexadecimal digits"),
        (wrapped.as_bytes(), "hexadecimal digits"),
        (yaml.as_bytes(), "text"),
        (
            digits.as_bytes(),
            "hexadecimal digits: decode them (`xxd -r -p`)",
        ),
        (cut, "40 bytes do not hold a ticket key"),
        (
            &long_record(2)[..],
            "32 bytes are left behind the last whole ticket key (48 bytes)",
        ),
        (lines.as_bytes(), "lines of base64, as HAProxy has them"),
        (secret.as_bytes(), "a secret to derive ticket keys from"),
        (b"- name: 00\n", "h2o's YAML"),
        (&[0; 48], "ticket key 1 is all zeros"),
    ] {
        let folder = Folder::with(&[("2026-11-01.key", &record(1)), ("2026-11-02.key", content)]);
        let shown = folder.refused().to_string();
        assert!(shown.contains("2026-11-02.key: "), "{shown}");
        assert!(shown.contains(why), "{shown}");
    }
}

#[test]
fn the_operator_names_the_order_of_numbered_files() {
    let numbered: Vec<_> = (1..=3).map(|n| (format!("{n}.key"), record(n))).collect();
    let numbered: Vec<_> = numbered
        .iter()
        .map(|(name, key)| (&**name, &key[..]))
        .collect();
    let folder = Folder::with(&numbered);
    let (keys, told) = folder.read(FolderOrder::First).unwrap();
    assert_eq!(keys, [1, 2, 3]);
    assert_eq!(
        told,
        ["seals: 1.key seals: its name is the least (the order can be set)"]
    );
    let (keys, told) = folder.read(FolderOrder::Last).unwrap();
    assert_eq!(keys, [3, 2, 1]);
    assert_eq!(
        told,
        ["seals: 3.key seals: its name is the greatest (the order can be set)"]
    );
    // Of one file there is nothing to say.
    let (_, told) = Folder::with(&numbered[..1])
        .read(FolderOrder::First)
        .unwrap();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn copies_are_taken_for_what_they_are() {
    // `cp 2.key 3.key; cp 1.key 2.key`, and the new key is still to come.
    let folder = Folder::with(&[("1", &record(1)), ("2", &record(1)), ("3", &record(2))]);
    let (keys, told) = folder.read(FolderOrder::First).unwrap();
    assert_eq!(keys, [1, 2]);
    assert_eq!(told[0], "copy: 2 is a copy of 1");
    // Of a key that is to come the file that seals counts.
    let folder = Folder::with(&[("a", &record(1)), ("a.next", &record(1))]);
    let mut file = folder.file();
    let ring = file.open(TicketRing::builder()).unwrap();
    let sealing = ring.load().sealing(ring.now()).map(|key| *key.key().name());
    assert_eq!(sealing, Some([1; 16]));
    // The same name with other secrets is no copy.
    let mut other = record(2);
    other[..16].fill(1);
    let folder = Folder::with(&[("1", &record(1)), ("2", &other)]);
    assert!(folder.refused().to_string().contains("have the same name"));
}

#[test]
fn a_broken_link_where_the_sealing_key_should_be_is_an_error() {
    let folder = Folder::with(&[("2026-11-02", &record(1))]);
    let link = |name: &str| symlink("nowhere", folder.0.path().join(name)).unwrap();
    link("2026-11-01");
    let (keys, told) = folder.read(FolderOrder::Last).unwrap();
    assert_eq!(keys, [1]);
    assert_eq!(
        told,
        ["passed-over: 2026-11-01 is not read: a link that points nowhere"]
    );
    let error = folder.file().order(FolderOrder::First).read().unwrap_err();
    assert!(matches!(error.fault, Fault::BrokenLink), "{error}");
    link("2026-11-03");
    let shown = folder.refused().to_string();
    assert!(
        shown.contains("2026-11-03: a link that points nowhere"),
        "{shown}"
    );
}

#[test]
fn what_is_no_file_is_passed_over() {
    let folder = Folder::with(&[("1", &record(1))]);
    let fifo = folder.0.path().join("2.fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    symlink("/dev/zero", folder.0.path().join("3.device")).unwrap();
    fs::create_dir(folder.0.path().join("4.folder")).unwrap();
    let (keys, mut told) = folder.read(FolderOrder::Last).unwrap();
    assert_eq!(keys, [1]);
    assert_eq!(
        told.remove(0),
        "passed-over: 4.folder is not read: a folder"
    );
    let expected = ["3.device", "2.fifo"]
        .map(|name| format!("passed-over: {name} is not read: no regular file"));
    assert_eq!(told, expected);
}

#[test]
fn a_file_or_folder_that_every_user_may_change_is_told_or_refused() {
    let folder = Folder::with(&[("1", &record(1))]);
    let file = folder.0.path().join("1");
    let mode = |path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let strict = || folder.file().refuse_readable_by_others(true).read();
    for (path, bits) in [(&*file, 0o644), (folder.0.path(), 0o777)] {
        mode(path, bits);
        let read = folder.file().read().unwrap();
        let [Notice::ReadableByOthers { path: told, .. }] = &read.notices[..] else {
            panic!("{:?}", read.notices)
        };
        assert_eq!(told, path);
        let error = strict().unwrap_err();
        assert!(matches!(error.fault, Fault::ReadableByOthers(_)), "{error}");
        assert_eq!(error.path, path);
        let remedy = format!("every user can (mode {bits:04o}): chmod o-rwx");
        assert!(error.to_string().ends_with(&remedy), "{error}");
        mode(path, 0o700);
    }
    assert!(strict().unwrap().notices.is_empty());
    // As Kubernetes makes its folders: the owner of each file counts.
    mode(folder.0.path(), 0o3777);
    assert!(strict().unwrap().notices.is_empty());
}
