//! `rekindle-terminator keys ...`: what each command does, its exit status, and that no secret is printed unasked.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::process::Command;
use std::thread;
use std::time::SystemTime;

use crate::common::Terminator;
use crate::common::files::{Files, ticket_key, ticket_secret};
use crate::common::keys::{fingerprints, keys, mode};

/// So that hardly ever a period ends between two commands of a test.
const LONGEST_PERIOD: u64 = 30 * 24 * 60 * 60;

const FORMATS: [&str; 9] = [
    "traffic-server-48",
    "nginx-48",
    "nginx-80",
    "haproxy-48",
    "haproxy-80",
    "apache-48",
    "openssl-80",
    "envoy-80",
    "h2o",
];

#[test]
fn what_is_generated_is_for_its_owner_and_can_be_used() {
    let files = Files::new();
    for format in FORMATS.into_iter().chain(["secret"]) {
        let path = files.text(format);
        let generate = ["generate", "--format", format, "--out", &path];
        let ran = keys(&generate).expect(0);
        assert_eq!((ran.out(), &ran.stderr[..]), ("", &b""[..]), "{format}");
        assert_eq!(mode(&path), 0o600, "{format}");
        let content = fs::read(&path).expect("it is there");
        keys(&["check", &path, "--format", format]).expect(0);

        keys(&generate).failed("--force overwrites it");
        assert_eq!(fs::read(&path).expect("it is there"), content);
        keys(&[&generate[..], &["--force"]].concat()).expect(0);
        assert_ne!(fs::read(&path).expect("it is there"), content);

        keys(&["generate", "--format", format]).failed("--reveal");
        let printed = keys(&["generate", "--format", format, "--reveal"]).expect(0);
        files.replace("printed", &printed.stdout);
        keys(&["check", &files.text("printed"), "--format", format]).expect(0);
    }
    let left = fs::read_dir(files.path("")).expect("a folder").count();
    assert_eq!(left, FORMATS.len() + 2, "nothing is left behind");
    for (format, path) in FORMATS.map(|format| (format, files.text(format))) {
        let flags = ["--ticket-keys", &path, "--ticket-keys-format", format];
        let terminator = Terminator::demo(&flags);
        assert_eq!(
            terminator.metric("rekindle_ticket_key_fallback"),
            0,
            "{format}"
        );
    }
}

#[test]
fn how_many_are_generated_and_what_they_are_for() {
    let files = Files::new();
    let path = files.text("keys");
    let generated = |arguments: &[&str]| {
        let generate = ["generate", "--force", "--out", &path];
        keys(&[&generate[..], arguments].concat()).expect(0);
        let printed = fingerprints(&path, arguments[1]);
        printed
            .into_iter()
            .map(|(word, _)| word)
            .collect::<Vec<_>>()
    };
    let three = ["next", "sealing", "opening"];
    assert_eq!(generated(&["--format", "haproxy-80"]), three);
    let two = ["--format", "envoy-80", "--count", "2"];
    assert_eq!(generated(&two), ["sealing", "opening"]);
    let times = ["--format", "h2o", "--count", "3", "--period", "3600"];
    assert_eq!(generated(&times), ["next", "next", "sealing"]);
    // One after the other, and open for the tickets of the last one: nothing to say.
    let check = ["check", &path, "--format", "h2o", "--period", "7200"];
    keys(&check).expect(0);
    let refused = |arguments: &[&str], flag| {
        let generate = ["generate", "--force", "--out", &path];
        keys(&[&generate[..], arguments].concat()).failed(flag);
    };
    refused(&["--format", "envoy-80", "--ratchet"], "--ratchet");
    refused(&["--format", "envoy-80", "--period", "60"], "--period");
    refused(&["--format", "secret", "--count", "2"], "--count");
    for (format, count) in [("haproxy-48", "2"), ("haproxy-80", "1")] {
        let few = ["--format", format, "--count", count];
        refused(&few, "--count: HAProxy takes at least 3 keys");
    }
}

#[test]
fn secrets_are_shown_only_when_that_is_asked_for() {
    let files = Files::new();
    let record = ticket_key();
    let (name, hmac, aes) = (&record[..16], &record[16..32], &record[32..]);
    files.replace("keys", &[&record[..], &ticket_key()].concat());
    let path = files.text("keys");
    let fingerprint = keys(&["fingerprint", &path]).expect(0);
    assert!(!fingerprint.hides(hmac).hides(aes).shows(name));
    let show = keys(&["show", &path]).expect(0);
    assert!(show.hides(hmac).hides(aes).shows(name));
    let revealed = keys(&["show", &path, "--reveal"]).expect(0);
    assert!(revealed.shows(hmac) && revealed.shows(aes));
    // Who looks for secrets finds them in all their forms.
    files.replace("three", &[record, ticket_key(), ticket_key()].concat());
    let three = files.text("three");
    let export = |to| {
        keys(&[
            "convert",
            "--from",
            "apache-48",
            "--to",
            to,
            &three,
            "--reveal",
        ])
    };
    for (ran, form) in [(&revealed, "in base 16"), (&export("nginx-48"), "as it is")] {
        assert_eq!([ran.finds(hmac), ran.finds(aes)], [Some(form); 2]);
    }
    let generate = ["generate", "--format", "haproxy-48", "--reveal"];
    let lines = keys(&generate).expect(0);
    files.replace("lines", &lines.stdout);
    let lines_path = files.text("lines");
    let of_lines = [
        "convert",
        "--from",
        "haproxy-48",
        "--to",
        "apache-48",
        &lines_path,
        "--reveal",
    ];
    let records = keys(&of_lines).expect(0).stdout;
    assert_eq!(lines.finds(&records[16..32]), Some("in base 64"));
    for ran in [&fingerprint, &show, &revealed] {
        let lines: Vec<_> = ran.out().lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("sealing ") && lines[1].starts_with("opening "));
        assert!(lines.iter().all(|line| line.contains(" aes-128")));
    }
    keys(&["convert", "--from", "apache-48", "--to", "nginx-48", &path])
        .failed("--reveal")
        .hides(hmac)
        .hides(aes);
}

#[test]
fn nothing_derived_from_a_secret_is_shown_unless_that_is_asked_for() {
    let files = Files::new();
    let text = ticket_secret(LONGEST_PERIOD);
    files.replace("secret", text.as_bytes());
    let path = files.text("secret");
    let secret = text.split_whitespace().nth(1).expect("a secret").to_owned();
    let export = [
        "convert", "--from", "secret", "--to", "envoy-80", &path, "--reveal",
    ];
    let exported = keys(&export).expect(0).stdout;
    for command in ["fingerprint", "show", "check"] {
        let ran = keys(&[command, &path, "--format", "secret"]).expect(0);
        for record in exported.chunks_exact(80) {
            ran.hides(&record[16..48]).hides(&record[48..]);
        }
        assert!(!ran.out().contains(&secret[..16]));
        let lines = if command == "check" {
            0
        } else {
            exported.len() / 80
        };
        assert_eq!(ran.out().lines().count(), lines);
    }
    let to_haproxy = keys(&["convert", "--from", "secret", "--to", "haproxy-80", &path]);
    to_haproxy.failed("--reveal");
    let show = keys(&["show", &path, "--format", "secret", "--reveal"]).expect(0);
    assert!(
        exported
            .chunks_exact(80)
            .all(|record| show.shows(&record[48..]))
    );
    // A line that is wrong is not quoted.
    files.replace(
        "secret",
        format!("secret {secret}0\nperiod 3600\n").as_bytes(),
    );
    let failed = keys(&["show", &path, "--format", "secret"]).failed("line 1: expected 64");
    assert!(!String::from_utf8_lossy(&failed.stderr).contains(&secret[..16]));
}

#[test]
fn a_key_stays_what_it_is_in_every_format() {
    let files = Files::new();
    for ways in [
        [
            "traffic-server-48",
            "nginx-48",
            "apache-48",
            "h2o",
            "traffic-server-48",
        ],
        ["envoy-80", "nginx-80", "h2o", "openssl-80", "envoy-80"],
        ["haproxy-48", "h2o", "nginx-48", "h2o", "apache-48"],
        ["haproxy-80", "h2o", "haproxy-80", "h2o", "haproxy-80"],
    ] {
        let (mut path, mut format) = (files.text("0"), ways[0]);
        let generate = ["generate", "--format", format, "--count", "3"];
        keys(&[&generate[..], &["--out", &path, "--force"]].concat()).expect(0);
        let of = |path: &str, format: &str| {
            let mut all = fingerprints(path, format);
            let sealing = all.iter().find(|(word, _)| word == "sealing").cloned();
            all.sort_by(|a, b| a.1.cmp(&b.1));
            (
                sealing.expect("one seals"),
                all.into_iter().map(|(_, key)| key).collect::<Vec<_>>(),
            )
        };
        let before = of(&path, format);
        for (step, to) in ways.into_iter().enumerate().skip(1) {
            let out = files.text(&step.to_string());
            let convert = [
                "convert", "--from", format, "--to", to, &path, "--out", &out, "--force",
            ];
            keys(&convert).expect(0);
            assert_eq!(mode(&out), 0o600);
            assert_eq!(of(&out, to), before, "{format} to {to}");
            (path, format) = (out, to);
        }
    }
    let (from, out) = (files.text("0"), files.text("out"));
    let convert = [
        "convert",
        "--from",
        "haproxy-80",
        "--to",
        "nginx-48",
        &from,
        "--out",
        &out,
    ];
    keys(&convert).failed("is for AES-256: nginx-48 holds keys for AES-128");
    assert!(!files.path("out").exists());
}

#[test]
fn a_ratchet_forgets_what_is_not_needed_any_more() {
    let files = Files::new();
    let path = files.text("secret");
    let now = SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("after 1970")
        .as_secs();
    let period = LONGEST_PERIOD;
    let text = |at: u64| format!("{}ratchet {at}\n", ticket_secret(period));
    files.replace("secret", text(now / period - 100).as_bytes());
    let before = fs::read(&path).expect("it is there");
    let all = fingerprints(&path, "secret");
    let ran = keys(&["ratchet", &path]).expect(0);
    assert!(
        ran.out().starts_with("ratcheted: from period "),
        "{}",
        ran.out()
    );
    let after = fs::read(&path).expect("it is there");
    assert_ne!(after, before);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(
        fingerprints(&path, "secret"),
        all,
        "what is needed is still there"
    );
    let ran = keys(&["ratchet", &path]).expect(0);
    assert!(ran.out().starts_with("unchanged: "));
    assert_eq!(fs::read(&path).expect("it is there"), after);

    files.replace("secret", ticket_secret(period).as_bytes());
    keys(&["ratchet", &path]).failed("has no ratchet");
    files.replace("secret", text(now / period + 2).as_bytes());
    let future = keys(&["fingerprint", &path, "--format", "secret"]);
    future.failed("the ratchet is past this period");
}

#[test]
fn a_file_of_another_format_is_refused_and_stays_as_it_is() {
    let files = Files::new();
    let (path, out) = (files.text("keys"), files.text("out"));
    keys(&["generate", "--format", "nginx-80", "--out", &path]).expect(0);
    let content = fs::read(&path).expect("it is there");
    let fingerprint = ["fingerprint", &path, "--format", "nginx-48"];
    let commands: [&[&str]; 5] = [
        &["rotate", "--format", "nginx-48", "--stage", &path],
        &[
            "convert",
            "--from",
            "nginx-48",
            "--to",
            "apache-48",
            &path,
            "--out",
            &out,
        ],
        &fingerprint,
        &["show", &path, "--format", "nginx-48"],
        &["show", &path, "--format", "nginx-48", "--reveal"],
    ];
    for command in commands {
        let failed = keys(command).failed(&format!("{path} has 32 bytes behind its last"));
        failed.failed("is the format right?").hides(&content[16..]);
        assert_eq!(fs::read(&path).expect("it is there"), content);
    }
    assert!(!files.path("out").exists());

    // A newline is none of a key's bytes, in each file of a folder.
    fs::create_dir(files.path("folder")).expect("a folder");
    for name in ["folder/1", "folder/2"] {
        files.replace(name, &[&ticket_key()[..], b"\n"].concat());
    }
    let folder = files.text("folder");
    let of_folder = ["fingerprint", &folder, "--format", "nginx-48"];
    keys(&of_folder).expect(0);
    files.replace("folder/2", &[&ticket_key()[..], b"\n\n"].concat());
    keys(&of_folder).failed("folder/2 has 2 bytes behind its last whole key");
    files.replace("keys", &[&ticket_key()[..], b"\n"].concat());
    keys(&fingerprint).expect(0);
    keys(commands[0]).expect(0);
    files.replace("keys", &[&ticket_key()[..], b"x"].concat());
    keys(&fingerprint).failed("keys has 1 bytes behind");
}

#[test]
fn what_a_killed_command_has_left_is_gone_after_the_next() {
    let files = Files::new();
    let (path, secret, stale) = (
        files.text("keys"),
        files.text("secret"),
        files.path(".keys.new"),
    );
    let generate = ["generate", "--format", "envoy-80", "--out", &path];
    let rotate = ["rotate", "--format", "envoy-80", "--stage", &path];
    files.replace("secret", ticket_secret(LONGEST_PERIOD).as_bytes());
    let convert = ["convert", "--from", "secret", "--to", "envoy-80", &secret];
    let forced = ["--force", "--out", &path];
    let commands = [
        generate.to_vec(),
        rotate.to_vec(),
        [&convert[..], &forced].concat(),
        [&generate[..3], &forced].concat(),
    ];
    for command in &commands {
        fs::write(&stale, "half of a secret").expect("written");
        keys(command).expect(0);
        assert!(!stale.exists(), "{command:?}");
        assert_eq!(mode(&path), 0o600);
        keys(&["check", &path, "--format", "envoy-80"]).expect(0);
    }
    let stale_secret = files.path(".secret.new");
    let text = format!("{}ratchet 1\n", ticket_secret(LONGEST_PERIOD));
    files.replace("secret", text.as_bytes());
    fs::write(&stale_secret, "half of a secret").expect("written");
    keys(&["ratchet", &secret]).expect(0);
    assert!(!stale_secret.exists());

    // What cannot be removed is what the error names.
    let content = fs::read(&path).expect("it is there");
    fs::create_dir(&stale).expect("a folder");
    keys(&rotate).failed("/.keys.new: ");
    assert_eq!(fs::read(&path).expect("it is there"), content);
}

#[test]
fn rotations_at_the_same_time_all_count() {
    let files = Files::new();
    let path = files.text("keys");
    keys(&["generate", "--format", "envoy-80", "--out", &path]).expect(0);
    let rotate = ["rotate", "--format", "envoy-80", "--stage", &path];
    let staged: Vec<String> = thread::scope(|scope| {
        let rotations = [(); 8].map(|()| scope.spawn(|| keys(&rotate).expect(0)));
        let printed = rotations.map(|ran| ran.join().expect("it ran").out().to_owned());
        printed.into()
    });
    let all = fingerprints(&path, "envoy-80");
    assert_eq!(all.len(), 1 + staged.len());
    for line in staged {
        let key = line.trim().strip_prefix("staged ").expect("a fingerprint");
        assert!(all.iter().any(|(_, of_file)| of_file == key), "{key}");
    }
    let left = fs::read_dir(files.path("")).expect("a folder").count();
    assert_eq!(left, 1, "nothing is left behind");
}

#[test]
fn only_regular_files_are_replaced() {
    let files = Files::new();
    let (source, fifo, folder) = (
        files.text("source"),
        files.text("fifo"),
        files.text("folder"),
    );
    let (to_fifo, to_nothing) = (files.text("to-fifo"), files.text("to-nothing"));
    keys(&["generate", "--format", "envoy-80", "--out", &source]).expect(0);
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo runs").success());
    fs::create_dir(&folder).expect("a folder");
    symlink(&fifo, &to_fifo).expect("a link");
    symlink(files.path("nothing"), &to_nothing).expect("a link");
    let generate = ["generate", "--format", "envoy-80", "--force", "--out"];
    let convert = [
        "convert", "--from", "envoy-80", "--to", "nginx-80", &source, "--force", "--out",
    ];
    for path in [&fifo, &folder, &to_fifo, &to_nothing] {
        let path = path.as_str();
        for command in [&generate[..], &convert] {
            keys(&[command, &[path]].concat()).failed("is no regular file");
        }
        keys(&["ratchet", path]).failed("is no regular file");
    }
    for path in [&fifo, &to_fifo, &to_nothing] {
        let rotate = ["rotate", "--format", "envoy-80", "--stage", path];
        keys(&rotate).failed("is no regular file");
    }
    let kind = |path| fs::symlink_metadata(path).expect("there").file_type();
    assert!(kind(&fifo).is_fifo() && kind(&folder).is_dir());
    assert!(kind(&to_fifo).is_symlink() && kind(&to_nothing).is_symlink());
    // A link to a file stays one: the file is replaced.
    let to_source = files.text("to-source");
    symlink(&source, &to_source).expect("a link");
    let before = fs::read(&source).expect("it is there");
    keys(&[&generate[..], &[&to_source]].concat()).expect(0);
    assert!(kind(&to_source).is_symlink());
    assert_ne!(fs::read(&source).expect("it is there"), before);
}

#[test]
fn haproxy_gets_the_next_key_of_a_secret_and_none_behind_it() {
    let files = Files::new();
    let (secret, out) = (files.text("secret"), files.text("out"));
    // Clocks may differ by several of these periods, whose keys are all known ahead.
    files.replace("secret", ticket_secret(20).as_bytes());
    let convert = [
        "convert",
        "--from",
        "secret",
        "--to",
        "haproxy-80",
        &secret,
        "--out",
        &out,
        "--force",
    ];
    // Again if a period has ended meanwhile.
    let derived = loop {
        let before = fingerprints(&secret, "secret");
        keys(&convert).expect(0);
        if fingerprints(&secret, "secret") == before {
            break before;
        }
    };
    let sealing = derived.iter().position(|(word, _)| word == "sealing");
    let sealing = sealing.expect("one seals");
    assert!(sealing > 1, "there are several to come");
    assert!(fs::read_to_string(&out).expect("text").lines().count() >= 3);
    let written = fingerprints(&out, "haproxy-80");
    assert_eq!([&written[0].0[..], &written[1].0], ["next", "sealing"]);
    let keys_of = |printed: &[(String, String)]| -> Vec<String> {
        printed.iter().map(|(_, key)| key.clone()).collect()
    };
    assert_eq!(keys_of(&written), keys_of(&derived[sealing - 1..]));
}

#[test]
fn staging_without_promoting_comes_to_an_end() {
    let files = Files::new();
    let path = files.text("keys");
    let generate = ["generate", "--format", "envoy-80", "--count", "63", "--out"];
    keys(&[&generate[..], &[&path]].concat()).expect(0);
    let stage = ["rotate", "--format", "envoy-80", "--stage", &path];
    let staged = keys(&stage).expect(0);
    let staged = staged.out().trim().trim_start_matches("staged ");
    let content = fs::read(&path).expect("it is there");
    keys(&stage).failed("keys has 64 keys: let one seal that is staged (--promote");
    assert_eq!(fs::read(&path).expect("it is there"), content);
    // Those that are to be kept are not in the way.
    let promote = ["rotate", "--format", "envoy-80", "--promote", staged, &path];
    keys(&[&promote[..], &["--keep", "64"]].concat()).expect(0);
    keys(&stage).failed("64 keys");
    keys(&[&stage[..], &["--keep", "65"]].concat()).expect(0);
    assert_eq!(fingerprints(&path, "envoy-80").len(), 65);
}
