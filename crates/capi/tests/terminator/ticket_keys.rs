//! Ticket keys in a file: shared by two servers, rotated, and kept when the file is bad.

use std::fs;

use rekindle_test_servers::{Files, Signal, Visitor, ticket_key};

use crate::server::{Server, refusal};

const KEYS: &str = "ticket.keys";
const PROTOCOLS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// A server with one random key, and a client that has made a full handshake.
fn visited(protocol: &str) -> (Files, [u8; 48], Server, Visitor<'_>) {
    let (files, key) = (Files::new(), ticket_key());
    files.replace(KEYS, &key);
    let server = server(&files);
    let client = first_visit(&server, protocol);
    (files, key, server, client)
}

fn server(files: &Files) -> Server {
    Server::start(&format!("-t {}", files.text(KEYS)))
}

/// A full handshake, whose session the client keeps.
#[track_caller]
fn first_visit<'a>(server: &Server, protocol: &'a str) -> Visitor<'a> {
    let client = Visitor::new(protocol);
    let printed = client.visit(server.address);
    assert_eq!(printed.pages("resumed"), ["no"], "{printed:?}");
    client
}

#[track_caller]
fn is_resumed(client: &Visitor<'_>, server: &Server) -> bool {
    let printed = client.come_back(server.address);
    let pages = printed.pages("resumed");
    assert!(pages == ["yes"] || pages == ["no"], "{printed:?}");
    assert_eq!(printed.reused(), [pages == ["yes"]], "{printed:?}");
    pages == ["yes"]
}

#[test]
fn a_rotated_key_opens_tickets_until_it_is_dropped() {
    for protocol in PROTOCOLS {
        let (files, old, server, client) = visited(protocol);
        let new = ticket_key();
        files.replace(KEYS, &[new, old].concat());
        server.reload("ticket keys updated");
        assert!(is_resumed(&client, &server));
        assert!(is_resumed(&client, &server));
        let counters = server.counters();
        assert_eq!(counters.get("tickets_renewed"), 2, "{counters:?}");

        files.replace(KEYS, &new);
        server.reload("ticket keys updated");
        assert!(!is_resumed(&client, &server));
        let counters = server.counters();
        assert_eq!(counters.get("tickets_renewed"), 2, "{counters:?}");
        assert_eq!(counters.get("tickets_retired_key"), 1, "{counters:?}");
    }
}

/// Two keys with one name.
const ONE_NAME_TWICE: [u8; 96] = {
    let mut records = [7; 96];
    let (mut i, mut mixed) = (0, 1_u64);
    while i < 64 {
        mixed = mixed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        records[16 + i % 32 + i / 32 * 48] = (mixed >> 56) as u8;
        i += 1;
    }
    records
};

/// Contents that the server must refuse, and a part of its message.
const BROKEN: [(&[u8], &str); 5] = [
    (&[], "0 bytes do not hold a ticket key"),
    (&[7; 47], "47 bytes do not hold a ticket key"),
    (&[0; 48], "ticket key 1 is all zeros"),
    (
        &[7; 96],
        "ticket key 1 has a secret that is one repeated byte",
    ),
    (
        &ONE_NAME_TWICE,
        "ticket key 1 and ticket key 2 have the same name",
    ),
];

#[test]
fn a_broken_file_at_sighup_leaves_the_keys_and_is_named() {
    let (files, _, server, client) = visited("-tls1_2");
    let changes_nothing = |complaint: &str| {
        server.process.signal(Signal::HUP);
        let line = server.process.wait_for(complaint);
        assert!(line.contains(&files.text(KEYS)), "{line}");
        server.process.wait_for("ticket keys stay as they were");
        assert!(is_resumed(&client, &server), "{complaint}");
    };

    for (content, complaint) in BROKEN {
        files.replace(KEYS, content);
        changes_nothing(complaint);
    }
    files.replace(KEYS, &[7; 4801]);
    changes_nothing("more than 4800 bytes");
    fs::remove_file(files.path(KEYS)).expect("the file was there");
    changes_nothing("No such file or directory");
    // Not even root can read a directory as a file.
    fs::create_dir(files.path(KEYS)).expect("the name is free");
    changes_nothing("Is a directory");
    let counters = server.counters();
    assert_eq!(counters.get("tickets_renewed"), 0, "{counters:?}");
}

#[test]
fn a_newline_behind_the_keys_is_ignored_with_a_warning() {
    let (files, key, server, client) = visited("-tls1_2");
    files.replace(KEYS, &[&key[..], b"\n"].concat());
    server.process.signal(Signal::HUP);
    let line = server
        .process
        .wait_for("1 bytes behind the last record of 48 are ignored");
    assert!(line.contains(&files.text(KEYS)), "{line}");
    server.process.wait_for("ticket keys updated");
    assert!(is_resumed(&client, &server));
}

#[test]
fn a_broken_file_at_the_start_is_an_error_that_names_it() {
    let files = Files::new();
    let path = files.text(KEYS);
    let refuses = |complaint: &str| {
        let (status, said) = refusal(&format!("-t {path}"));
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(&path) && said.contains(complaint), "{said}");
        assert!(!said.contains("listening"), "{said}");
    };
    refuses("No such file or directory");
    for (content, complaint) in BROKEN {
        files.replace(KEYS, content);
        refuses(complaint);
    }
}

#[test]
fn two_servers_with_one_file_resume_each_others_tickets() {
    let files = Files::new();
    files.replace(KEYS, &ticket_key());
    let (a, b) = (server(&files), server(&files));
    for protocol in PROTOCOLS {
        for (made_by, shown_to) in [(&a, &b), (&b, &a)] {
            assert!(is_resumed(&first_visit(made_by, protocol), shown_to));
        }
    }
}

#[test]
fn two_servers_without_a_file_do_not() {
    let (a, b) = (Server::start(""), Server::start(""));
    for protocol in PROTOCOLS {
        assert!(!is_resumed(&first_visit(&a, protocol), &b));
    }
}
