//! `keys check` and `keys rotate`: what a new set of keys would do, and how to rotate without harm.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use rekindle_test_servers::{Files, ticket_key};

use crate::common::keys::{fingerprints, keys, keys_of, mode, run_keys};
use crate::common::{Terminator, hex, ticket_secret, unix_now};

#[test]
fn a_check_says_what_a_file_would_do() {
    let files = Files::new();
    let [one, two, three] = [(); 3].map(|()| ticket_key());
    let twice = [&one[..], &[7; 48]].concat();
    let check = |new: &[u8], old: &[u8]| {
        files.replace("new", new);
        files.replace("old", old);
        let (new, old) = (files.text("new"), files.text("old"));
        let ran = keys!("check {new} --against {old}");
        [one, two, three].iter().for_each(|key| {
            ran.hides(&key[16..32]).hides(&key[32..]);
        });
        let words = ran
            .out()
            .lines()
            .map(|line| line.split(':').next().expect("a word"));
        (
            ran.0.status.code(),
            words.map(str::to_owned).collect::<Vec<_>>(),
        )
    };
    let said = |words: &[&str]| {
        (
            Some(1),
            words.iter().map(|word| (*word).to_owned()).collect(),
        )
    };
    let nothing = (Some(0), Vec::new());
    assert_eq!(check(&one, &one), nothing);
    assert_eq!(check(&[one, two].concat(), &one), nothing);
    assert_eq!(check(&[two, one].concat(), &[one, two].concat()), nothing);
    let promoted = [two, one].concat();
    assert_eq!(check(&promoted, &one), said(&["not-distributed"]));
    assert_eq!(check(&one, &[one, two].concat()), said(&["dropped"]));
    let all_new = said(&["dropped", "dropped", "not-distributed"]);
    assert_eq!(check(&three, &[one, two].concat()), all_new);
    let with_newline = [&one[..], b"\n"].concat();
    assert_eq!(check(&with_newline, &one), nothing);
    let refused = |new: &[u8]| {
        let (status, words) = check(new, &one);
        assert_eq!((status, words), (Some(2), vec!["refused".to_owned()]));
        let path = files.text("new");
        let ran = keys!("check {path}").expect(2);
        assert!(ran.out().contains(&path), "it names the file");
        ran.out().to_owned()
    };
    assert!(refused(&[0; 48]).contains("ticket key 1 is all zeros"));
    assert!(refused(&twice).contains("ticket key 2 has a secret that is one repeated byte"));
    let same = refused(&[one, one].concat());
    assert!(same.contains("ticket key 1 and ticket key 2 have the same name"));
    assert!(refused(&one[..47]).contains("47 bytes"));

    files.replace("new", &one);
    fs::set_permissions(files.path("new"), Permissions::from_mode(0o644)).expect("it is ours");
    let (new, missing) = (files.text("new"), files.text("missing"));
    let ran = keys!("check {new}").expect(1);
    assert!(ran.out().starts_with("readable-by-others: "));
    keys!("check {new} --against {missing}").expect(2);
}

#[test]
fn a_check_knows_times_folders_and_secrets() {
    let files = Files::new();
    let now = unix_now();
    let h2o = |turns: &[(u64, u64)]| {
        let entry = |(from, until): &(u64, u64)| {
            let name = hex(&ticket_key()[..16]);
            let key = hex(&[ticket_key(), ticket_key()].concat());
            format!(
                "- name: {name}\n  cipher: AES-256-CBC\n  hash: SHA256\n  key: {key}\n  \
                 not_before: {from}\n  not_after: {until}\n"
            )
        };
        let content: String = turns.iter().map(entry).collect();
        files.replace("h2o", content.as_bytes());
        let path = files.text("h2o");
        keys!("check {path} --format h2o")
    };
    h2o(&[(now - 60, now + 90_000)]).expect(0);
    let later = h2o(&[(now + 600, now + 90_000)]).expect(1);
    let nothing_seals = "nothing-seals: no key seals from now on, for ";
    assert!(later.out().starts_with(nothing_seals));
    let short = h2o(&[(now - 60, now + 3_900)]).expect(1);
    assert!(short.out().starts_with("cut-short: "));

    fs::create_dir(files.path("keys")).expect("the name is free");
    let folder = files.text("keys");
    keys!("check {folder}").expect(2);
    let (one, two) = (ticket_key(), ticket_key());
    files.replace("keys/1", &one);
    files.replace("keys/2.next", &two);
    keys!("check {folder}").expect(0);
    let words: Vec<_> = fingerprints(&folder, "traffic-server-48");
    assert_eq!([&words[0].0[..], &words[1].0], ["next", "sealing"]);
    // Notes do no harm: which file seals, and what is no key.
    files.replace("keys/3", &one);
    files.replace("keys/README", b"Rotated by cron.\n");
    let noted = keys!("check {folder}").expect(0);
    let notes = ["note: passed-over: ", "note: copy: ", "note: seals: "];
    assert_eq!(noted.out().lines().count(), notes.len());
    assert!(
        notes.iter().all(|note| noted.out().contains(note)),
        "{noted:?}"
    );
    let first = keys!("check {folder} --order first").expect(0);
    assert!(
        first.out().contains("keys/1 seals: its name is the least"),
        "{first:?}"
    );
    files.replace("keys/3", &[&one[..16], &two[16..]].concat());
    let duplicates = keys!("check {folder}").expect(2);
    let out = duplicates.out();
    assert!(out.contains("keys/3") && out.contains("keys/1"));

    // From a file to a secret, all that is in force goes.
    files.replace("secret", ticket_secret(3600).as_bytes());
    files.replace("old", &one);
    let (new, old) = (files.text("secret"), files.text("old"));
    let ran = keys!("check {new} --format secret --against {old} --against-format apache-48");
    let ran = ran.expect(1);
    let words = ran.out().lines().map(|line| line.split(':').next());
    assert!(words.eq([Some("dropped"), Some("not-distributed")]));
}

#[test]
fn a_rotation_in_two_steps_while_a_terminator_serves() {
    let files = Files::new();
    let (path, old, session) = (files.text("keys"), files.text("old"), files.text("session"));
    // A folder, for Envoy takes one key a file.
    let configuration = keys!("generate --format envoy-80 --count 2 --out {path}").expect(0);
    let configuration = configuration.out().replace(&format!("{path}/"), "");
    let lines = "session_ticket_keys:\n  keys:\n  - filename: sealing.key\n";
    assert_eq!(
        configuration,
        format!("{lines}  - filename: opening-1.key\n")
    );
    let flags = format!("--ticket-keys {path} --ticket-keys-format envoy-80");
    let terminator = Terminator::demo(&flags);
    let visit = |option| {
        let printed = terminator.get(&format!("-tls1_2 {option} {session}"));
        printed.assert_no_error().handshake().to_owned()
    };
    assert_eq!(visit("-sess_out"), "full");
    let first = fingerprints(&path, "envoy-80");

    let rotate = |words: &str| {
        let _ = fs::remove_dir_all(&old);
        fs::create_dir(&old).expect("the name is free");
        for name in ["sealing.key", "opening-1.key", "opening-2.key"] {
            let _ = fs::copy(format!("{path}/{name}"), format!("{old}/{name}"));
        }
        keys!("rotate --format envoy-80 {path} {words}")
    };
    let says_nothing = || {
        let said = keys!("check {path} --format envoy-80 --against {old}").expect(0);
        assert!(
            said.out()
                .lines()
                .all(|line| line.starts_with("note: seals: ")),
            "{said:?}"
        );
    };
    rotate("").failed("--stage");
    let staged = rotate("--stage").expect(0);
    let mut lines = staged.out().lines();
    let staged = lines.next().and_then(|line| line.strip_prefix("staged "));
    let staged = staged.expect("a fingerprint");
    // There is a file more, and the configuration has to name it.
    assert!(lines.any(|line| line.ends_with("/opening-2.key")));
    let promote = format!("--promote {staged}");
    says_nothing();
    let opening = ("opening".to_owned(), staged.to_owned());
    let with_staged = [first[0].clone(), opening, first[1].clone()];
    assert_eq!(
        sorted(fingerprints(&path, "envoy-80")),
        sorted(with_staged.to_vec())
    );
    rotate("--promote 0123456789abcdef").failed("there is no key 0123456789abcdef");
    rotate(&promote).expect(0);
    says_nothing();
    rotate(&promote).failed("seals already");
    let words = fingerprints(&path, "envoy-80");
    assert_eq!(words[0], ("sealing".to_owned(), staged.to_owned()));
    assert!(words.contains(&("opening".to_owned(), first[0].1.clone())));
    assert_eq!(mode(&format!("{path}/sealing.key")), 0o600);

    terminator.wait_for_log(&format!("first={staged}"));
    assert_eq!(visit("-sess_in"), "renewed_ticket");
}

#[test]
fn rotations_in_one_step() {
    let files = Files::new();
    let (path, old) = (files.text("keys"), files.text("old"));
    for format in ["haproxy-48", "haproxy-80", "h2o"] {
        keys!("generate --format {format} --out {path} --force").expect(0);
        let before = fingerprints(&path, format);
        fs::copy(&path, &old).expect("it is there");
        let rotate = format!("rotate --format {format} {path}");
        keys!("{rotate} --stage").failed("--stage");
        run_keys(&rotate).expect(0);
        let after = fingerprints(&path, format);
        assert!(!before.contains(&after[0]), "{format}: the new one is next");
        assert_eq!(after[0].0, "next");
        let check = format!("check {path} --format {format} --against {old}");
        if format == "h2o" {
            assert_eq!(after[1..], before[..], "it seals when its time has come");
            run_keys(&check).expect(0);
        } else {
            assert_eq!(keys_of(&after)[1..], keys_of(&before)[..2]);
            assert_eq!([&after[1].0[..], &after[2].0], ["sealing", "opening"]);
            // Three keys are all that HAProxy has: the oldest goes, and its tickets with it.
            let dropped = run_keys(&check).expect(1);
            let oldest = format!("dropped: key {}", before[2].1);
            assert!(dropped.out().starts_with(&oldest));
            keys!("{rotate} --keep 4").expect(0);
            let four = fingerprints(&path, format);
            assert_eq!(keys_of(&four)[1..], keys_of(&after)[..]);
        }
    }
}

fn sorted(mut keys: Vec<(String, String)>) -> Vec<(String, String)> {
    keys.sort_unstable();
    keys
}
