//! `rekindle-terminator keys ...`: what each command does, its exit status, and that it prints no
//! secret unasked.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::process::Command;
use std::thread;

use rekindle_test_servers::{Files, ticket_key};

use crate::common::keys::{fingerprints, keys, keys_of, mode, run_keys};
use crate::common::{Terminator, read, ticket_secret, unix_now};

/// A period hardly ever ends between two commands of a test.
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
        let generate = format!("generate --format {format} --out {path}");
        let ran = run_keys(&generate).expect(0);
        assert_eq!((ran.out(), &ran.0.stderr[..]), ("", &b""[..]), "{format}");
        assert_eq!(mode(&path), 0o600, "{format}");
        let content = read(&path);
        keys!("check {path} --format {format}").expect(0);

        run_keys(&generate).failed("--force overwrites it");
        assert_eq!(read(&path), content);
        keys!("{generate} --force").expect(0);
        assert_ne!(read(&path), content);

        keys!("generate --format {format}").failed("--reveal");
        let printed = keys!("generate --format {format} --reveal").expect(0);
        files.replace("printed", &printed.0.stdout);
        let printed = files.text("printed");
        keys!("check {printed} --format {format}").expect(0);
    }
    let left = fs::read_dir(files.path("")).expect("a folder").count();
    assert_eq!(left, FORMATS.len() + 2, "nothing is left behind");
    for (format, path) in FORMATS.map(|format| (format, files.text(format))) {
        let flags = format!("--ticket-keys {path} --ticket-keys-format {format}");
        let fallback = Terminator::demo(&flags).metric("rekindle_ticket_key_fallback");
        assert_eq!(fallback, 0, "{format}");
    }
}

#[test]
fn how_many_are_generated_and_what_they_are_for() {
    let files = Files::new();
    let path = files.text("keys");
    let generated = |format: &str, more: &str| {
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        keys!("generate --out {path} --format {format} {more}").expect(0);
        let printed = fingerprints(&path, format);
        let words = printed.into_iter().map(|(word, _)| word);
        words.collect::<Vec<_>>()
    };
    let three = ["next", "sealing", "opening"];
    assert_eq!(generated("haproxy-80", ""), three);
    assert_eq!(generated("envoy-80", "--count 2"), three[1..]);
    assert_eq!(mode(&path), 0o700, "a folder");
    assert_eq!(generated("traffic-server-48", "--count 2"), three[1..]);
    let times = generated("h2o", "--count 3 --period 3600");
    assert_eq!(times, ["next", "next", "sealing"]);
    // One after the other, and open for the tickets of the last one: nothing to say.
    keys!("check {path} --format h2o --period 7200").expect(0);
    for (words, why) in [
        ("envoy-80 --ratchet", "--ratchet"),
        ("envoy-80 --period 60", "--period"),
        ("secret --count 2", "--count"),
        (
            "haproxy-48 --count 2",
            "--count: HAProxy takes at least 3 keys",
        ),
        (
            "haproxy-80 --count 1",
            "--count: HAProxy takes at least 3 keys",
        ),
    ] {
        keys!("generate --force --out {path} --format {words}").failed(why);
    }
}

#[test]
fn secrets_are_shown_only_when_that_is_asked_for() {
    let files = Files::new();
    let record = ticket_key();
    let (name, hmac, aes) = (&record[..16], &record[16..32], &record[32..]);
    files.replace("keys", &[&record[..], &ticket_key()].concat());
    let path = files.text("keys");
    let fingerprint = keys!("fingerprint {path}").expect(0);
    assert!(!fingerprint.hides(hmac).hides(aes).shows(name));
    let show = keys!("show {path}").expect(0);
    assert!(show.hides(hmac).hides(aes).shows(name));
    let revealed = keys!("show {path} --reveal").expect(0);
    assert!(revealed.shows(hmac) && revealed.shows(aes));
    // The search for secrets finds them in each form.
    files.replace("one", &record);
    let one = files.text("one");
    let export = |to| keys!("convert --from apache-48 --to {to} {one} --reveal");
    for (ran, form) in [(&revealed, "in base 16"), (&export("nginx-48"), "as it is")] {
        assert_eq!([ran.finds(hmac), ran.finds(aes)], [Some(form); 2]);
    }
    let lines = keys!("generate --format haproxy-48 --reveal").expect(0);
    files.replace("lines", &lines.0.stdout);
    let lines_path = files.text("lines");
    let records = keys!("convert --from haproxy-48 --to traffic-server-48 {lines_path} --reveal");
    let records = records.expect(0).0.stdout;
    assert_eq!(lines.finds(&records[16..32]), Some("in base 64"));
    for ran in [&fingerprint, &show, &revealed] {
        let lines: Vec<_> = ran.out().lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("sealing ") && lines[1].starts_with("opening "));
        assert!(lines.iter().all(|line| line.contains(" aes-128")));
    }
    let convert = format!("convert --from traffic-server-48 --to nginx-48 {path}");
    run_keys(&convert).failed("--reveal").hides(hmac).hides(aes);
    // Two keys for nginx are two files.
    run_keys(&format!("{convert} --reveal"))
        .failed("nginx-48 has one key a file, and these are 2: --out FOLDER")
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
    let folder = files.text("exported");
    keys!("convert --from secret --to envoy-80 {path} --out {folder}").expect(0);
    let exported = fs::read_dir(&folder).expect("a folder");
    let exported = exported.map(|file| fs::read(file.expect("a file").path()).expect("a key"));
    let exported = exported.collect::<Vec<_>>().concat();
    for command in ["fingerprint", "show", "check"] {
        let ran = keys!("{command} {path} --format secret").expect(0);
        for record in exported.chunks_exact(80) {
            ran.hides(&record[16..48]).hides(&record[48..]);
        }
        assert!(!ran.out().contains(&secret[..16]));
        let keys = exported.len() / 80;
        let lines = if command == "check" { 0 } else { keys };
        assert_eq!(ran.out().lines().count(), lines);
    }
    keys!("convert --from secret --to haproxy-80 {path}").failed("--reveal");
    let show = keys!("show {path} --format secret --reveal").expect(0);
    let mut records = exported.chunks_exact(80);
    assert!(records.all(|record| show.shows(&record[48..])));
    // A line that is wrong is not quoted.
    let wrong = format!("secret {secret}0\nperiod 3600\n");
    files.replace("secret", wrong.as_bytes());
    let failed = keys!("show {path} --format secret").failed("line 1: expected 64");
    assert!(!failed.err().contains(&secret[..16]));
}

#[test]
fn a_key_stays_what_it_is_in_every_format() {
    for formats in [
        "traffic-server-48 nginx-48 apache-48 h2o traffic-server-48",
        "envoy-80 nginx-80 h2o openssl-80 envoy-80",
        "haproxy-48 h2o nginx-48 h2o apache-48",
        "haproxy-80 h2o haproxy-80 h2o haproxy-80",
    ] {
        let files = Files::new();
        let mut formats = formats.split(' ');
        let (mut path, mut format) = (files.text("0"), formats.next().expect("the first"));
        keys!("generate --format {format} --count 3 --out {path}").expect(0);
        let of = |path: &str, format: &str| {
            let mut all = fingerprints(path, format);
            let sealing = all.iter().find(|(word, _)| word == "sealing").cloned();
            all.sort_by(|a, b| a.1.cmp(&b.1));
            let all: Vec<_> = all.into_iter().map(|(_, key)| key).collect();
            (sealing.expect("one seals"), all)
        };
        let before = of(&path, format);
        for (step, to) in formats.enumerate() {
            let out = files.text(&(step + 1).to_string());
            keys!("convert --from {format} --to {to} {path} --out {out}").expect(0);
            let is_folder = files.path(&(step + 1).to_string()).is_dir();
            assert_eq!(mode(&out), if is_folder { 0o700 } else { 0o600 });
            assert_eq!(of(&out, to), before, "{format} to {to}");
            (path, format) = (out, to);
        }
    }
    let files = Files::new();
    let (from, out) = (files.text("0"), files.text("out"));
    keys!("generate --format haproxy-80 --out {from}").expect(0);
    keys!("convert --from haproxy-80 --to nginx-48 {from} --out {out}")
        .failed("is for AES-256: nginx-48 holds keys for AES-128");
    assert!(!files.path("out").exists());
}

#[test]
fn a_ratchet_forgets_what_is_not_needed_any_more() {
    let files = Files::new();
    let path = files.text("secret");
    let now = unix_now();
    let period = LONGEST_PERIOD;
    let text = |at: u64| format!("{}ratchet {at}\n", ticket_secret(period));
    files.replace("secret", text(now / period - 2).as_bytes());
    let before = read(&path);
    let all = fingerprints(&path, "secret");
    let ran = keys!("ratchet {path}").expect(0);
    assert!(ran.out().starts_with("ratcheted: from period "), "{ran:?}");
    let after = read(&path);
    assert_ne!(after, before);
    assert_eq!(mode(&path), 0o600);
    let kept = fingerprints(&path, "secret");
    assert_eq!(kept, all, "what is needed is still there");
    let ran = keys!("ratchet {path}").expect(0);
    assert!(ran.out().starts_with("unchanged: "));
    assert_eq!(read(&path), after);

    files.replace("secret", ticket_secret(period).as_bytes());
    keys!("ratchet {path}").failed("has no ratchet");
    files.replace("secret", text(now / period + 2).as_bytes());
    keys!("fingerprint {path} --format secret").failed("the ratchet is past this period");
    keys!("ratchet {path}").failed("its ratchet is 2 periods ahead of the clock");
}

#[test]
fn a_ratchet_does_not_leap_unless_it_is_forced_and_can_be_undone() {
    let files = Files::new();
    let (path, kept) = (files.text("secret"), files.text("secret.before-leap"));
    let now = unix_now();
    let days = |days: u64| now / 3_600 - 24 * days;
    let put = |at: u64, pace: &str| {
        let text = format!("{}ratchet {at}\n{pace}", ticket_secret(3_600));
        files.replace("secret", text.as_bytes());
        read(&path)
    };
    let ratchet = format!("ratchet {path}");
    // The clock is 55 days ahead of what the file has seen.
    for (at, pace) in [
        (days(55), ""),
        (days(55), "pace 24\n"),
        (days(8), ""),
        (days(5), "pace 24\n"),
        (days(2), "pace 1\n"),
    ] {
        let before = put(at, pace);
        let failed = run_keys(&ratchet).failed("is the clock right (20");
        failed.failed("--force does it, and keeps what is there in ");
        assert_eq!(read(&path), before, "nothing has changed");
        assert!(!files.path("secret.before-leap").exists());

        keys!("{ratchet} --force").expect(0);
        assert!(read(&kept).ends_with(&before));
        assert_eq!(mode(&kept), 0o600);
        let text = String::from_utf8(read(&path)).expect("text");
        let after = text.lines().find(|line| line.starts_with("pace "));
        assert_eq!(after.unwrap_or(""), pace.trim(), "a leap is no pace");
        // Until the next one it can be undone.
        run_keys(&ratchet).expect(0);
        fs::rename(&kept, &path).expect("it is there");
        assert!(read(&path).ends_with(&before));
    }
    // Within its own pace it goes, and what was kept is gone.
    for (at, pace) in [
        (days(6), ""),
        (days(20), "pace 140\n"),
        (days(3), "pace 24\n"),
    ] {
        put(at, pace);
        fs::write(&kept, b"of a leap").expect("written");
        let ran = run_keys(&ratchet).expect(0);
        assert!(ran.out().starts_with("ratcheted: "), "{ran:?}");
        assert!(!files.path("secret.before-leap").exists());
        let text = String::from_utf8(read(&path)).expect("text");
        let moved = text.lines().find_map(|line| line.strip_prefix("pace "));
        let moved: u64 = moved.expect("its pace").parse().expect("a number");
        assert!((1..=3).contains(&(now / 3_600 - at - moved)), "{moved}");
    }
    // Periods of 30 days: two at once are no leap.
    let text = |at: u64| format!("{}ratchet {at}\n", ticket_secret(LONGEST_PERIOD));
    files.replace("secret", text(now / LONGEST_PERIOD - 2).as_bytes());
    run_keys(&ratchet).expect(0);
}

#[test]
fn a_secret_carries_the_session_timeout_that_its_users_agree_on() {
    let files = Files::new();
    let path = files.text("secret");
    let generate = format!("generate --format secret --ratchet --out {path}");
    keys!("{generate} --session-timeout 86400").expect(0);
    let text = String::from_utf8(read(&path)).expect("text");
    assert!(text.contains("\nsession-timeout 86400\n"));
    // A cron job that says another, or none.
    keys!("ratchet {path} --session-timeout 7200").failed(
        "secret is for tickets of 86400 s, and the session timeout is 7200 s: let them agree",
    );
    keys!("ratchet {path}").expect(0);
    keys!("ratchet {path} --session-timeout 86400").expect(0);
    let ran = keys!("check {path} --format secret --session-timeout 7200").expect(1);
    assert!(ran.out().starts_with("session-timeout: "));
    let ran = keys!("check {path} --format secret").expect(0);
    assert_eq!(ran.out(), "");

    let terminator = Terminator::demo(&format!("--ticket-secret {path}"));
    terminator.wait_for_log("session-timeout: ");
    let agreed = format!("--ticket-secret {path} --session-timeout 86400");
    assert_eq!(Terminator::demo(&agreed).logged("session-timeout: "), 0);
}

#[test]
fn a_file_of_another_format_is_refused_and_stays_as_it_is() {
    let files = Files::new();
    let (path, out) = (files.text("keys"), files.text("out"));
    keys!("generate --format nginx-80 --out {path}").expect(0);
    let content = read(&path);
    let fingerprint = format!("fingerprint {path} --format nginx-48");
    let stage = format!("rotate --format nginx-48 --stage {path}");
    let commands = [
        &stage,
        &format!("convert --from nginx-48 --to apache-48 {path} --out {out}"),
        &fingerprint,
        &format!("show {path} --format nginx-48"),
        &format!("show {path} --format nginx-48 --reveal"),
    ];
    for command in commands {
        let failed = run_keys(command).failed(&format!("in {path}: 32 bytes are left behind"));
        failed
            .failed("the last whole ticket key (48 bytes)")
            .hides(&content[16..]);
        assert_eq!(read(&path), content);
    }
    assert!(!files.path("out").exists());

    // A newline is none of a key's bytes, in each file of a folder.
    fs::create_dir(files.path("folder")).expect("a folder");
    for name in ["folder/1", "folder/2"] {
        files.replace(name, &[&ticket_key()[..], b"\n"].concat());
    }
    let stage = stage.replace("nginx", "traffic-server");
    let folder = files.text("folder");
    let of_folder = format!("fingerprint {folder} --format nginx-48");
    run_keys(&of_folder).expect(0);
    files.replace("folder/2", &[&ticket_key()[..], b"\n\n"].concat());
    run_keys(&of_folder).failed("folder/2: 2 bytes are left behind the last");
    files.replace("keys", &[&ticket_key()[..], b"\n"].concat());
    run_keys(&fingerprint).expect(0);
    run_keys(&stage).expect(0);
    files.replace("keys", &[&ticket_key()[..], b"x"].concat());
    run_keys(&fingerprint).failed("keys: 1 bytes are left behind");
}

#[test]
fn what_a_killed_command_has_left_is_gone_after_the_next() {
    let files = Files::new();
    let (path, secret) = (files.text("keys"), files.text("secret"));
    let stale = files.path(".keys.new");
    let generate = format!("generate --format traffic-server-48 --out {path}");
    let rotate = format!("rotate --format traffic-server-48 --stage {path}");
    files.replace("source", &ticket_key());
    let source = files.text("source");
    let commands = [
        &generate,
        &rotate,
        &format!("convert --from apache-48 --to traffic-server-48 {source} --force --out {path}"),
        &format!("{generate} --force"),
    ];
    for command in commands {
        fs::write(&stale, "half of a secret").expect("written");
        run_keys(command).expect(0);
        assert!(!stale.exists(), "{command:?}");
        assert_eq!(mode(&path), 0o600);
        keys!("check {path} --format traffic-server-48").expect(0);
    }
    let stale_secret = files.path(".secret.new");
    let now = unix_now();
    let before = now / LONGEST_PERIOD - 2;
    let text = format!("{}ratchet {before}\n", ticket_secret(LONGEST_PERIOD));
    files.replace("secret", text.as_bytes());
    fs::write(&stale_secret, "half of a secret").expect("written");
    keys!("ratchet {secret}").expect(0);
    assert!(!stale_secret.exists());

    // What cannot be removed is what the error names.
    let content = read(&path);
    fs::create_dir(&stale).expect("a folder");
    run_keys(&rotate).failed("/.keys.new: ");
    assert_eq!(read(&path), content);
}

#[test]
fn rotations_at_the_same_time_all_count() {
    let files = Files::new();
    let path = files.text("keys");
    keys!("generate --format traffic-server-48 --out {path}").expect(0);
    let rotate = format!("rotate --format traffic-server-48 --stage {path}");
    let staged: Vec<String> = thread::scope(|scope| {
        let rotations = [(); 8].map(|()| scope.spawn(|| run_keys(&rotate).expect(0)));
        let printed = rotations.map(|ran| ran.join().expect("it ran").out().to_owned());
        printed.into()
    });
    let all = fingerprints(&path, "traffic-server-48");
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
    let [source, fifo, folder, to_fifo, to_nothing] =
        ["source", "fifo", "folder", "to-fifo", "to-nothing"].map(|name| files.text(name));
    keys!("generate --format traffic-server-48 --out {source}").expect(0);
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo runs").success());
    fs::create_dir(&folder).expect("a folder");
    symlink(&fifo, &to_fifo).expect("a link");
    symlink(files.path("nothing"), &to_nothing).expect("a link");
    for path in [&fifo, &folder, &to_fifo, &to_nothing] {
        for command in [
            "generate --format traffic-server-48 --force --out",
            &format!("convert --from traffic-server-48 --to h2o {source} --force --out"),
            "ratchet",
        ] {
            keys!("{command} {path}").failed("is no regular file");
        }
    }
    for path in [&fifo, &to_fifo, &to_nothing] {
        keys!("rotate --format traffic-server-48 --stage {path}").failed("is no regular file");
    }
    let kind = |path| fs::symlink_metadata(path).expect("there").file_type();
    assert!(kind(&fifo).is_fifo() && kind(&folder).is_dir());
    assert!(kind(&to_fifo).is_symlink() && kind(&to_nothing).is_symlink());
    // A link to a file stays one: the file is replaced.
    let to_source = files.text("to-source");
    symlink(&source, &to_source).expect("a link");
    let before = read(&source);
    keys!("generate --format traffic-server-48 --force --out {to_source}").expect(0);
    assert!(kind(&to_source).is_symlink());
    assert_ne!(read(&source), before);
}

#[test]
fn haproxy_gets_the_next_key_of_a_secret_and_none_behind_it() {
    let files = Files::new();
    let (secret, out) = (files.text("secret"), files.text("out"));
    // Clocks may differ by several of these periods, whose keys are all known ahead.
    files.replace("secret", ticket_secret(20).as_bytes());
    let convert = format!("convert --from secret --to haproxy-80 {secret} --out {out} --force");
    // Once more if a period has ended meanwhile.
    let derived = loop {
        let before = fingerprints(&secret, "secret");
        run_keys(&convert).expect(0);
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
    assert_eq!(keys_of(&written), keys_of(&derived[sealing - 1..]));
}

#[test]
fn staging_without_promoting_comes_to_an_end() {
    let files = Files::new();
    let path = files.text("keys");
    keys!("generate --format traffic-server-48 --count 63 --out {path}").expect(0);
    let stage = format!("rotate --format traffic-server-48 --stage {path}");
    let staged = run_keys(&stage).expect(0);
    let staged = staged.out().trim().trim_start_matches("staged ");
    let content = read(&path);
    run_keys(&stage).failed("keys has 64 keys: let a staged key seal (--promote");
    assert_eq!(read(&path), content);
    // `--keep` raises the limit.
    let promote = format!("rotate --format traffic-server-48 --promote {staged} {path}");
    keys!("{promote} --keep 64").expect(0);
    run_keys(&stage).failed("64 keys");
    keys!("{stage} --keep 65").expect(0);
    assert_eq!(fingerprints(&path, "traffic-server-48").len(), 65);
}
