//! How the example is built, its options, and its end without leaks.

use std::fs;
use std::process::Command;

use rekindle_test_servers::{Files, Signal, Visitor, s_client, ticket_key};

use crate::clients::{curl, gnutls_cli, has_gnutls_cli};
use crate::common::{HAS_VALGRIND, VALGRIND, install, root, run};
use crate::server::{Server, program, refusal};

#[test]
fn the_command_in_its_first_comment_builds_it() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path();
    install(prefix);

    let source = fs::read_to_string(root().join("examples/terminator.c")).unwrap();
    let command = source
        .lines()
        .find_map(|line| line.strip_prefix(" *   cc "));
    let command = format!("cc -Wall -Wextra -pedantic -Werror {}", command.unwrap());
    fs::write(prefix.join("terminator.c"), source).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).current_dir(prefix);
    run(shell.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")));

    let mut built = Command::new(prefix.join("terminator"));
    let server = Server::spawn(built.env("LD_LIBRARY_PATH", prefix.join("lib")));
    assert_eq!(curl(&server, "", 2).pages("resumed"), ["no", "yes"]);
    let (status, said) = server.stop();
    assert!(status.success(), "{said}");
}

#[test]
fn it_shows_the_certificate_that_it_is_given() {
    let files = Files::new();
    files.make_certificate("terminator.example");
    let (cert, key) = (files.text("cert.pem"), files.text("key.pem"));
    let server = Server::start(&format!("-c {cert} -k {key}"));
    let printed = s_client(server.address, "");
    assert!(
        printed.0.contains("subject=CN = terminator.example"),
        "{printed:?}"
    );
    let printed = s_client(Server::start("").address, "");
    assert!(printed.0.contains("subject=CN = localhost"), "{printed:?}");
}

#[test]
fn what_cannot_be_is_refused() {
    let files = Files::new();
    files.make_certificate("one.example");
    let (cert, key, other) = (
        files.text("cert.pem"),
        files.text("key.pem"),
        files.text("other.pem"),
    );
    fs::rename(&key, &other).unwrap();
    files.make_certificate("another.example");
    let missing = files.text("missing");
    for (arguments, expected, complaint) in [
        ("-x", 2, "-- 'x'"),
        ("rest", 2, "options are"),
        (&format!("-c {cert}"), 2, "-c goes with -k"),
        ("-s 0", 2, "0: not a number from 1 to"),
        ("-j two", 2, "two: not a number from 1 to"),
        (&format!("-c {missing} -k {key}"), 1, &missing),
        (&format!("-c {cert} -k {missing}"), 1, &missing),
        (&format!("-c {cert} -k {other}"), 1, "key values mismatch"),
        ("-u localhost", 1, "localhost: not ADDRESS:PORT"),
        ("-l 192.0.2.1:1", 1, "192.0.2.1:1: "),
    ] {
        let (status, said) = refusal(arguments);
        assert_eq!(status, Some(expected), "{arguments:?}: {said}");
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
}

#[test]
fn sigterm_and_sigint_end_it_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start("");
        assert_eq!(curl(&server, "", 2).pages("resumed"), ["no", "yes"]);
        server.process.signal(signal);
        let (status, said) = server.process.wait_for_end();
        assert!(status.success(), "{said}");
        // The counters come last.
        let last = said.lines().last().unwrap();
        assert!(last.contains("tickets_opened=1 "), "{said}");
    }
}

#[test]
fn it_leaves_neither_leaks_nor_errors() {
    if !*HAS_VALGRIND || !has_gnutls_cli() {
        return;
    }
    let files = Files::new();
    files.replace("keys", &ticket_key());
    for options in [&format!("-v -t {}", files.text("keys")), "-n -v"] {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(VALGRIND).arg(program());
        let server = Server::spawn(valgrind.args(options.split_whitespace()));

        for protocol in ["-tls1_2", "-tls1_3"] {
            let client = Visitor::new(protocol);
            client.visit(server.address);
            let printed = client.come_back(server.address);
            assert_eq!(printed.pages("resumed"), ["yes"], "{printed:?}");
        }
        s_client(server.address, "-tls1_2 -no_ticket -reconnect");
        assert_eq!(curl(&server, "", 2).pages("resumed"), ["no", "yes"]);
        let printed = gnutls_cli(&server, "--resume --waitresumption");
        assert_eq!(printed.pages("resumed"), ["yes"], "{printed:?}");
        // A handshake that fails: the peers have no protocol in common.
        s_client(server.address, "-tls1_1 -cipher ALL:@SECLEVEL=0");
        server.process.wait_for("TLS failed: ");
        if options.contains("-t") {
            server.reload("ticket keys updated");
        }

        let (status, said) = server.stop();
        assert_eq!(status.code(), Some(0), "{said}");
    }
}
