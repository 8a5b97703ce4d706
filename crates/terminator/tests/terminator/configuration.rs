//! The file of settings, from the outside: a start with it, `check`, and files that are none.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use rekindle_test_servers::{Files, echo, ticket_key};

use crate::common::authority::Authority;
use crate::common::ran::run;
use crate::common::{BINARY, Terminator};

#[track_caller]
fn refused(words: &str, reasons: &[&str]) {
    let ran = run(words).refused(1, reasons);
    assert_eq!(ran.out(), "", "{words}");
}

/// A site with a certificate: `site.toml` begins as a site that works, and `more` follows.
fn site(more: &str) -> (Files, String) {
    let files = Files::with_certificate("site");
    let text = format!(
        "listen = ['127.0.0.1:0']\nadmin = '127.0.0.1:0'\nupstream = '127.0.0.1:9'\n\
         cert = 'cert.pem'\nkey = 'key.pem'\n{more}"
    );
    files.replace("site.toml", text.as_bytes());
    let path = files.text("site.toml");
    (files, path)
}

#[test]
fn a_terminator_serves_by_its_file_and_a_flag_takes_the_place_of_a_key() {
    let upstream = echo();
    let (_files, path) = site("ciphers = 'ECDHE-ECDSA-CHACHA20-POLY1305'\nsession-timeout = 60\n");
    let mut command = Command::new(BINARY);
    let words = format!("--config {path} --upstream {upstream} --session-timeout 90");
    command.args(words.split_whitespace());
    let terminator = Terminator::spawn(command);
    let printed = terminator.s_client("-tls1_2");
    let cipher = "Cipher is ECDHE-ECDSA-CHACHA20-POLY1305";
    assert!(printed.0.contains(cipher), "{}", printed.0);
    let lifetime = "TLS session ticket lifetime hint: 90 (seconds)";
    assert!(printed.0.contains(lifetime), "{}", printed.0);
}

#[test]
fn check_says_ok_of_a_site_that_would_start() {
    let (files, path) = site("ticket-keys = 'tickets.key'\nclient-ca = 'cert.pem'\n");
    files.replace("tickets.key", &ticket_key());
    for words in ["", " --threads 1"] {
        run(&format!("check --config {path}{words}")).says_ok();
    }
    run("check --demo").says_ok();
    let readable = Permissions::from_mode(0o644);
    fs::set_permissions(files.path("tickets.key"), readable).expect("it is ours");
    let ran = run(&format!("check --config {path}")).says_ok();
    assert!(ran.err().contains("readable-by-others: "), "{ran:?}");
}

#[test]
fn check_tells_all_that_is_wrong_with_the_files_that_are_named() {
    let (files, path) =
        site("client-ca = 'ca.pem'\ncrl = 'crl.pem'\nticket-keys = 'tickets.key'\nbacklog = 0\n");
    let other = Files::with_certificate("other");
    fs::copy(other.key(), files.key()).expect("both are there");
    files.replace("ca.pem", b"no PEM at all");
    files.replace(
        "crl.pem",
        b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
    );
    files.replace("tickets.key", &ticket_key()[..47]);
    let place = |line: u32, key: &str| format!("{path}:{line}: {key}: ");
    let [key, ca, crl, tickets, backlog] = [
        place(5, "key") + "key file",
        place(6, "client-ca"),
        place(7, "crl"),
        place(8, "ticket-keys"),
        place(9, "backlog") + "0 is not in",
    ];
    let places = [&*key, &ca, &crl, &tickets, &backlog];
    refused(&format!("check --config {path}"), &places);
    // From another folder the paths are the same.
    fs::remove_file(files.path("cert.pem")).expect("it was there");
    let cert = place(4, "cert") + "certificate file";
    refused(
        &format!("check --config {path}"),
        &[&cert, "cert.pem", "No such file"],
    );
}

#[test]
fn check_refuses_a_key_that_openssl_finds_weak() {
    let (files, path) = site("");
    files.make_certificate_with("rsa:512", "weak");
    refused(
        &format!("check --config {path}"),
        &[&format!("{path}:4: cert: "), "key too small"],
    );
}

/// A list of revocations behind a good one is looked at as well.
#[test]
fn check_reads_every_revocation_list() {
    let (files, path) = site("client-ca = 'ca.pem'\ncrl = 'crl.pem'\n");
    let authority = Authority::root("ca");
    authority.write(&files, "ca.pem");
    let mut lists = authority.revocation_list(&[]);
    files.replace("crl.pem", &lists);
    let words = format!("check --config {path}");
    run(&words).says_ok();
    lists.extend(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    files.replace("crl.pem", &lists);
    refused(&words, &[&format!("{path}:7: crl: ")]);
}

#[test]
fn a_start_with_a_file_that_is_wrong_tells_each_line() {
    let (_files, path) = site("backlog = 0\nlistn = 1\n");
    let [backlog, listn] = [format!("{path}:6: backlog: "), format!("{path}:7: listn: ")];
    refused(
        &format!("--config {path}"),
        &[&backlog, &listn, "listen is one"],
    );
}

#[test]
fn flags_that_are_wrong_are_told_as_before_beside_a_file() {
    let (_files, path) = site("");
    for words in [
        "--backlog 0",
        "--crl x",
        "--ticket-keys x --ticket-secret y",
    ] {
        for command in ["", "check "] {
            run(&format!("{command}--config {path} {words}")).refused(2, &["try '--help'"]);
        }
    }
}

#[test]
fn files_that_are_no_settings_are_refused_at_once() {
    const MOST: usize = 256 * 1024;
    let files = Files::new();
    let path = files.text("hostile.toml");
    let check = format!("check --config {path}");
    for piece in [
        "[", "]", "{", "a=[", "a={a=", "[[a]]\n", "a.", "a=1\n", "=\n", "\"", "'''", "\0",
    ] {
        files.replace("hostile.toml", piece.repeat(MOST / piece.len()).as_bytes());
        refused(&check, &[&format!("{path}:")]);
    }
    for depth in [81, 10_000] {
        let deep = format!("listen = {}{}", "[".repeat(depth), "]".repeat(depth));
        files.replace("hostile.toml", deep.as_bytes());
        refused(&check, &[&format!("{path}:1: ")]);
    }
    let many = format!("listen = [{}]", "'a:0',".repeat(MOST / 8));
    files.replace("hostile.toml", many.as_bytes());
    refused(
        &check,
        &[&format!("{path}:1: listen: it has more than 4096 values")],
    );
    files.replace("hostile.toml", b"demo = true\nx = '\xff'\n");
    refused(&check, &[&format!("{path}:2: it is not UTF-8")]);
    files.replace("hostile.toml", &vec![b'#'; MOST + 1]);
    refused(&check, &[&format!("{path}: it has more than 262144 bytes")]);
    let folder = files.directory().display();
    refused(
        &format!("check --config {folder}"),
        &[&format!("{folder}: it is no regular file")],
    );
    refused(
        "check --config /dev/zero",
        &["/dev/zero: it is no regular file"],
    );
    let pipe = files.text("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("mkfifo runs")
            .success()
    );
    refused(
        &format!("check --config {pipe}"),
        &[&format!("{pipe}: it is no regular file")],
    );
    let link = files.text("link");
    symlink("/dev/zero", &link).expect("the name is free");
    refused(
        &format!("--config {link}"),
        &[&format!("{link}: it is no regular file")],
    );
    refused(
        "check --config /nowhere.toml",
        &["/nowhere.toml: No such file"],
    );
}
