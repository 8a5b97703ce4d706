//! Several certificates: which one a name gets, and where its sessions resume.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use rekindle_test_servers::{Files, Printed, s_client, s_client_get};

use crate::common::authority::{Authority, Wanted};
use crate::common::client::connector_builder;
use crate::common::told::reporter;
use crate::common::{KINDS, Terminator, connect};

const UPDATED: &str = "certificate reload: updated";

/// Certificates for a.test (ECDSA and RSA), b.test and *.w.test. Each is issued by an authority
/// with its name in upper case, below one root.
struct Names {
    files: Files,
    root: Authority,
}

impl Names {
    fn new() -> Self {
        let names = Self {
            files: Files::new(),
            root: Authority::root("root"),
        };
        names.issue("a", "A", "a.test", None);
        names.issue("a-rsa", "A-RSA", "a.test", Some(2048));
        names.issue("b", "B", "b.test", None);
        names.issue("w", "W", "*.w.test", None);
        names
    }

    fn issue(&self, stem: &str, authority: &str, name: &str, rsa: Option<u32>) {
        let names = [name];
        let wanted = Wanted {
            rsa,
            ..Wanted::names(&names)
        };
        let authority = self.root.intermediate(authority);
        authority.issue(&self.files, stem, wanted);
    }

    fn start(&self, words: &str) -> Terminator {
        let pair = |stem| {
            let file = |kind| self.files.text(&format!("{stem}.{kind}"));
            format!("--cert {} --key {} ", file("pem"), file("key"))
        };
        let pairs: String = ["a", "a-rsa", "b", "w"].map(pair).concat();
        let upstream = reporter();
        Terminator::start(&format!(
            "--upstream {upstream} --proxy-protocol-out v2 --threads 1 {pairs} {words}"
        ))
    }
}

/// The subjects of the certificates that the server sent, its own first.
fn chain(printed: &Printed) -> Vec<&str> {
    let lines = printed.0.lines();
    let subjects = lines.filter_map(|line| {
        let (depth, subject) = line.strip_prefix(' ')?.split_once(" s:CN = ")?;
        depth.parse::<u8>().ok().map(|_| subject)
    });
    subjects.collect()
}

#[track_caller]
fn shows(terminator: &Terminator, words: &str, expected: [&str; 2]) {
    let printed = s_client(terminator.address, words);
    printed.expect_reused([false]);
    assert_eq!(chain(&printed), expected, "{words}: {}", printed.0);
}

#[test]
fn a_name_gets_its_certificate_with_the_chain_of_that_one_alone() {
    let names = Names::new();
    let terminator = names.start("");
    for version in ["-tls1_2", "-tls1_3"] {
        for (name, expected) in [
            ("-servername a.test", ["a.test", "A"]),
            ("-servername A.Test", ["a.test", "A"]),
            ("-servername b.test", ["b.test", "B"]),
            ("-servername B.TEST", ["b.test", "B"]),
            ("-servername x.w.test", ["*.w.test", "W"]),
            ("-servername Y.W.test", ["*.w.test", "W"]),
            // A wildcard is for one label, and not for none.
            ("-servername x.y.w.test", ["a.test", "A"]),
            ("-servername w.test", ["a.test", "A"]),
            ("-servername unknown.test", ["a.test", "A"]),
            ("-noservername", ["a.test", "A"]),
        ] {
            shows(&terminator, &format!("{version} {name}"), expected);
        }
    }
}

#[test]
fn a_name_with_two_kinds_of_keys_shows_what_the_client_can_verify() {
    let names = Names::new();
    let terminator = names.start("");
    let (rsa, ecdsa) = (["a.test", "A-RSA"], ["a.test", "A"]);
    for name in ["-servername a.test", "-noservername"] {
        for (words, expected) in [
            ("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", rsa),
            ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", ecdsa),
            ("-tls1_2 -sigalgs RSA-PSS+SHA256", rsa),
            ("-tls1_3 -sigalgs RSA-PSS+SHA256", rsa),
            ("-tls1_3 -sigalgs ECDSA+SHA256", ecdsa),
            // The client's preference decides.
            ("-tls1_3 -sigalgs RSA-PSS+SHA256:ECDSA+SHA256", rsa),
            ("-tls1_3 -sigalgs ECDSA+SHA256:RSA-PSS+SHA256", ecdsa),
        ] {
            shows(&terminator, &format!("{words} {name}"), expected);
        }
    }
    // No other name's certificate is taken in the place of one that the client cannot verify.
    let words = "-servername b.test -tls1_3 -sigalgs RSA-PSS+SHA256";
    let printed = terminator.s_client(words);
    assert!(
        printed.0.contains("alert handshake failure"),
        "{}",
        printed.0
    );
}

#[test]
fn a_client_that_asks_for_no_known_name_can_be_refused() {
    let names = Names::new();
    let terminator = names.start("--unknown-names refuse");
    for version in ["-tls1_2", "-tls1_3"] {
        for name in [
            "-servername unknown.test",
            "-servername w.test",
            "-noservername",
        ] {
            let printed = terminator.s_client(&format!("{version} {name}"));
            let alert = "unrecognized name";
            assert!(printed.0.contains(alert), "{version} {name}: {}", printed.0);
            assert_eq!(chain(&printed), [""; 0]);
        }
        for (name, expected) in [("a.test", ["a.test", "A"]), ("x.w.test", ["*.w.test", "W"])] {
            shows(
                &terminator,
                &format!("{version} -servername {name}"),
                expected,
            );
        }
    }
}

/// Sends another name than `b.test` in all but its first flight.
#[derive(Debug)]
struct Renaming {
    tcp: TcpStream,
    flights: usize,
    name: &'static [u8; 6],
}

impl Read for Renaming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.read(buffer)
    }
}

impl Write for Renaming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = bytes.to_vec();
        self.flights += 1;
        let name = sent.windows(6).position(|window| window == b"b.test");
        if let (2.., Some(place)) = (self.flights, name) {
            sent[place..place + 6].copy_from_slice(self.name);
        }
        self.tcp.write_all(&sent)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The server asks for another ClientHello, since the first one has no share of a group that it
/// takes.
#[test]
fn a_client_keeps_to_its_name_in_a_second_hello() {
    let names = Names::new();
    let terminator = names.start("--unknown-names refuse");
    let mut client = connector_builder();
    client
        .set_groups_list("P-521:X25519")
        .expect("OpenSSL has them");
    let client = client.build();
    for (name, alert) in [
        (b"b.test", None),
        (b"a.test", Some("illegal parameter")),
        (b"u.test", Some("illegal parameter")),
    ] {
        let stream = Renaming {
            tcp: connect(terminator.address),
            flights: 0,
            name,
        };
        let connected = client.connect("b.test", stream);
        match alert {
            None => assert_eq!(connected.expect("as it should be").get_ref().flights, 3),
            Some(alert) => {
                let error = connected.expect_err("it is refused").to_string();
                assert!(error.contains(alert), "{error}");
            }
        }
    }
}

/// A visit under `name` that leaves its session in a file.
fn visit(terminator: &Terminator, files: &Files, (kind, _): (&str, &str), name: &str) -> String {
    let session = files.text(&format!("session {name}").replace(' ', "-"));
    let words = format!("{kind} -servername {name} -sess_out {session}");
    s_client_get(terminator.address, &words).expect_reused([false]);
    session
}

#[track_caller]
fn resumes(terminator: &Terminator, (kind, _): (&str, &str), session: &str, name: &str) -> bool {
    let words = format!("{kind} -servername {name} -sess_in {session}");
    let printed = s_client_get(terminator.address, &words);
    printed.assert_no_error();
    let reused = printed.reused() == [true];
    // In TLS 1.2 it is the name of the first visit, in its letters.
    assert_eq!(printed.pages("resumed"), [reused.to_string()]);
    let told = printed.pages("server name").concat();
    assert!(told.eq_ignore_ascii_case(name), "{told} for {name}");
    reused
}

#[test]
fn a_session_resumes_under_its_name_and_not_under_that_of_another_certificate() {
    let names = Names::new();
    for kind in KINDS {
        let terminator = names.start(&format!("--tickets {}", kind.1));
        for (first, second, expected) in [
            ("a.test", "a.test", true),
            ("a.test", "A.TEST", true),
            ("a.test", "b.test", false),
            ("b.test", "a.test", false),
            ("b.test", "b.test", true),
            ("b.test", "x.w.test", false),
            ("x.w.test", "x.w.test", true),
            ("x.w.test", "y.w.test", false),
            ("x.w.test", "a.test", false),
        ] {
            let session = visit(&terminator, &names.files, kind, first);
            let resumed = resumes(&terminator, kind, &session, second);
            assert_eq!(resumed, expected, "{kind:?}: from {first} to {second}");
        }
    }
}

#[test]
fn a_session_survives_the_renewal_of_its_certificate() {
    for kind in KINDS {
        let names = Names::new();
        let terminator = names.start(&format!("--tickets {}", kind.1));
        let of_b = visit(&terminator, &names.files, kind, "b.test");
        let of_w = visit(&terminator, &names.files, kind, "x.w.test");
        names.issue("b", "B2", "b.test", None);
        terminator.reload(UPDATED);
        shows(&terminator, "-servername b.test", ["b.test", "B2"]);
        shows(&terminator, "-servername x.w.test", ["*.w.test", "W"]);
        assert!(resumes(&terminator, kind, &of_b, "b.test"), "{kind:?}");
        assert!(resumes(&terminator, kind, &of_w, "x.w.test"), "{kind:?}");
        let of_b = visit(&terminator, &names.files, kind, "b.test");
        assert!(!resumes(&terminator, kind, &of_b, "x.w.test"), "{kind:?}");
    }
}

#[test]
fn a_certificate_that_cannot_be_read_again_keeps_no_other_from_being_renewed() {
    let names = Names::new();
    let terminator = names.start("");
    names.files.replace("a.pem", b"no PEM at all");
    names.issue("b", "B2", "b.test", None);
    names.issue("w", "W2", "*.w.test", None);
    names.files.replace("w.key", b"no PEM at all");
    // OpenSSL reads it, and refuses its key.
    names.issue("a-rsa", "weak", "a.test", Some(1024));
    terminator.reload(UPDATED);
    let reloads =
        |result| format!("rekindle_reloads_total{{of=\"certificate\",result=\"{result}\"}}");
    for (result, count) in [("updated", 1), ("failed", 3)] {
        terminator.wait_for_metric(&reloads(result), count);
    }
    for (name, expected) in [
        ("a.test", ["a.test", "A"]),
        ("b.test", ["b.test", "B2"]),
        ("x.w.test", ["*.w.test", "W"]),
    ] {
        shows(&terminator, &format!("-servername {name}"), expected);
    }
    let rsa = "-tls1_3 -sigalgs RSA-PSS+SHA256 -servername a.test";
    shows(&terminator, rsa, ["a.test", "A-RSA"]);
}
