//! Certificates of clients: which are taken, and that no session outlives the taking.

use rekindle_test_servers::{Files, Printed, echo, s_client_get};

use crate::common::authority::{Authority, DAY, Wanted};
use crate::common::ran::run;
use crate::common::told::reporter;
use crate::common::{KINDS, Terminator};

const UPDATED: &str = "authorities and revocation lists of clients: updated";
const FAILED: &str = "client certificates reload failed";

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// An authority in `ca.pem`, and what it has issued to the client `good`.
struct Clients {
    files: Files,
    ca: Authority,
    good: u32,
}

impl Clients {
    fn new() -> Self {
        let files = Files::with_certificate("localhost");
        let ca = Authority::root("clients");
        ca.write(&files, "ca.pem");
        let good = ca.issue(&files, "good", Wanted::names(&["good"]));
        Self { files, ca, good }
    }

    /// With the authority.
    fn start(&self, words: &str) -> Terminator {
        let ca = self.files.text("ca.pem");
        self.start_without(&format!("--client-ca {ca} {words}"))
    }

    fn start_without(&self, words: &str) -> Terminator {
        let words = format!("--proxy-protocol-out v2 --threads 1 {words}");
        Terminator::proxy(reporter(), &self.files, &words)
    }

    /// Also with a list of revoked serial numbers.
    fn start_with_list(&self, revoked: &[u32], words: &str) -> Terminator {
        self.revoke(revoked);
        let list = self.files.text("crl.pem");
        self.start(&format!("--crl {list} {words}"))
    }

    fn revoke(&self, revoked: &[u32]) {
        self.files
            .replace("crl.pem", &self.ca.revocation_list(revoked));
    }

    /// The words of a client with a certificate and, for `s_client`, the chain that came with it.
    fn with(&self, client: &str) -> String {
        let file = |kind| self.files.text(&format!("{client}.{kind}"));
        let (cert, key) = (file("pem"), file("key"));
        format!("-cert {cert} -key {key} -cert_chain {cert}")
    }

    /// A visit that leaves its session.
    fn visit(&self, terminator: &Terminator, kind: &str) -> String {
        let session = self.files.text("session");
        let words = format!("{kind} {} -sess_out {session}", self.with("good"));
        let printed = s_client_get(terminator.address, &words);
        printed.expect_reused([false]);
        assert_eq!(printed.pages("common name"), ["good"]);
        session
    }

    /// A visit that offers it, with the client's certificate at hand.
    fn come_back(&self, terminator: &Terminator, kind: &str, session: &str) -> Printed {
        let words = format!("{kind} {} -sess_in {session}", self.with("good"));
        s_client_get(terminator.address, &words)
    }
}

#[track_caller]
fn refused(printed: &Printed, alert: &str) {
    let alert = format!("alert {alert}");
    assert!(printed.0.contains(&alert), "no {alert}: {}", printed.0);
    assert!(printed.pages("common name").is_empty(), "{}", printed.0);
}

#[test]
fn a_required_certificate_is_one_of_the_authority_that_is_good_today() {
    let clients = Clients::new();
    let (files, ca) = (&clients.files, &clients.ca);
    for (authority, client) in [("others", "stranger"), ("clients", "impostor")] {
        Authority::root(authority).issue(files, client, Wanted::names(&[client]));
    }
    let expired = Wanted {
        valid: Wanted::valid([-2 * DAY, -DAY]),
        ..Wanted::names(&["expired"])
    };
    ca.issue(files, "expired", expired);
    (ca.intermediate("between")).issue(files, "below", Wanted::names(&["below"]));
    let terminator = clients.start("");
    for version in VERSIONS {
        let visit = |words: &str| s_client_get(terminator.address, &format!("{version} {words}"));
        for client in ["good", "below"] {
            let printed = visit(&clients.with(client));
            printed.expect_reused([false]);
            assert_eq!(printed.pages("common name"), [client]);
            let names = "Acceptable client certificate CA names\nCN = clients\n";
            assert!(printed.0.contains(names), "{}", printed.0);
        }
        let missing = match version {
            "-tls1_3" => "certificate required",
            _ => "handshake failure",
        };
        refused(&visit(""), missing);
        refused(&visit(&clients.with("stranger")), "unknown ca");
        // Its authority has the name of the right one, and another key.
        refused(&visit(&clients.with("impostor")), "decrypt error");
        refused(&visit(&clients.with("expired")), "certificate expired");
    }
    terminator.wait_for_metric(r#"rekindle_handshake_failures_total{reason="tls"}"#, 8);
    let reason = "tls: certificate verify failed: certificate has expired";
    assert_eq!(terminator.logged(reason), 2);
}

#[test]
fn an_optional_certificate_may_be_missing_and_must_not_be_bad() {
    let clients = Clients::new();
    let stranger = Wanted::names(&["stranger"]);
    Authority::root("others").issue(&clients.files, "stranger", stranger);
    let terminator = clients.start("--client-auth optional");
    for version in VERSIONS {
        let visit = |words: &str| s_client_get(terminator.address, &format!("{version} {words}"));
        for (words, name) in [(String::new(), "none"), (clients.with("good"), "good")] {
            let printed = visit(&words);
            printed.assert_no_error();
            assert_eq!(printed.pages("common name"), [name]);
        }
        refused(&visit(&clients.with("stranger")), "unknown ca");
    }
}

#[test]
fn without_an_authority_or_a_demand_no_certificate_is_asked_for() {
    let clients = Clients::new();
    for terminator in [
        clients.start_without(""),
        clients.start("--client-auth none"),
    ] {
        for version in VERSIONS {
            let words = format!("{version} {}", clients.with("good"));
            let printed = s_client_get(terminator.address, &words);
            printed.assert_no_error();
            let none = "No client certificate CA names sent";
            assert!(printed.0.contains(none), "{}", printed.0);
            assert_eq!(printed.pages("common name"), ["none"]);
        }
    }
}

#[test]
fn the_client_of_a_resumed_session_is_the_one_that_was_verified() {
    for (kind, tickets) in KINDS {
        let clients = Clients::new();
        let terminator = clients.start(&format!("--tickets {tickets}"));
        let session = clients.visit(&terminator, kind);
        // No certificate is at hand; the session has it.
        let printed = s_client_get(terminator.address, &format!("{kind} -sess_in {session}"));
        printed.expect_reused([true]);
        assert_eq!(printed.pages("common name"), ["good"], "{kind}");
        assert_eq!(printed.pages("resumed"), ["true"], "{kind}");
    }
}

#[test]
fn a_client_that_is_revoked_by_a_new_list_neither_resumes_nor_begins_anew() {
    for (kind, tickets) in KINDS {
        let clients = Clients::new();
        let terminator = clients.start_with_list(&[], &format!("--tickets {tickets}"));
        let session = clients.visit(&terminator, kind);
        clients
            .come_back(&terminator, kind, &session)
            .expect_reused([true]);
        let session = clients.visit(&terminator, kind);

        clients.revoke(&[clients.good]);
        terminator.reload(UPDATED);
        let printed = clients.come_back(&terminator, kind, &session);
        refused(&printed, "certificate revoked");
        let printed = s_client_get(
            terminator.address,
            &format!("{kind} {}", clients.with("good")),
        );
        refused(&printed, "certificate revoked");
    }
}

#[test]
fn another_authority_ends_sessions_and_an_unchanged_reload_keeps_them() {
    for (kind, tickets) in KINDS {
        let clients = Clients::new();
        let terminator = clients.start(&format!("--tickets {tickets}"));
        let session = clients.visit(&terminator, kind);
        terminator.reload("certificate reload: unchanged");
        clients
            .come_back(&terminator, kind, &session)
            .expect_reused([true]);

        let session = clients.visit(&terminator, kind);
        let others = Authority::root("others");
        others.write(&clients.files, "ca.pem");
        terminator.reload(UPDATED);
        refused(
            &clients.come_back(&terminator, kind, &session),
            "unknown ca",
        );
        // The authority is back: the session stays ended, and the client is as good as before.
        clients.ca.write(&clients.files, "ca.pem");
        terminator.reload(UPDATED);
        let printed = clients.come_back(&terminator, kind, &session);
        printed.expect_reused([false]);
        assert_eq!(printed.pages("common name"), ["good"]);
    }
}

#[test]
fn files_that_cannot_be_read_again_keep_the_authorities_and_lists_that_were_in_use() {
    let clients = Clients::new();
    let terminator = clients.start_with_list(&[clients.good], "");
    let words = format!("-tls1_3 {}", clients.with("good"));
    for (file, content) in [
        (
            "crl.pem",
            &b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"[..],
        ),
        ("crl.pem", b"no PEM at all"),
        ("ca.pem", b"no PEM at all"),
    ] {
        clients.files.replace(file, content);
        terminator.reload(FAILED);
        assert!(terminator.logged(&format!("{}: ", clients.files.text(file))) > 0);
        refused(
            &s_client_get(terminator.address, &words),
            "certificate revoked",
        );
    }
}

/// New contexts once read the list again.
#[test]
fn a_list_that_cannot_be_read_again_does_not_hold_up_a_renewed_certificate() {
    let clients = Clients::new();
    let terminator = clients.start_with_list(&[clients.good], "");
    clients.files.make_certificate("renewed");
    clients.files.replace("crl.pem", b"no PEM at all");
    terminator.reload(FAILED);
    let words = format!("-tls1_3 {}", clients.with("good"));
    let printed = s_client_get(terminator.address, &words);
    assert!(printed.0.contains("CN = renewed"), "{}", printed.0);
    refused(&printed, "certificate revoked");
}

/// With a list, OpenSSL wants one of each authority of the chain.
#[test]
fn a_chain_of_which_one_list_is_missing_is_refused() {
    let clients = Clients::new();
    let between = clients.ca.intermediate("between");
    between.issue(&clients.files, "below", Wanted::names(&["below"]));
    let terminator = clients.start_with_list(&[], "");
    let words = format!("-tls1_3 {}", clients.with("below"));
    refused(&s_client_get(terminator.address, &words), "unknown ca");
    let lists = [&between, &clients.ca].map(|authority| authority.revocation_list(&[]));
    clients.files.replace("crl.pem", &lists[0]);
    terminator.reload(UPDATED);
    refused(&s_client_get(terminator.address, &words), "unknown ca");
    clients.files.replace("crl.pem", &lists.concat());
    terminator.reload(UPDATED);
    let printed = s_client_get(terminator.address, &words);
    printed.assert_no_error();
    assert_eq!(printed.pages("common name"), ["below"]);
}

#[test]
fn an_authority_or_a_list_that_cannot_be_read_is_an_error_at_the_start() {
    let clients = Clients::new();
    let files = &clients.files;
    files.replace("bad.pem", b"no PEM at all");
    let [ca, bad, missing] = ["ca.pem", "bad.pem", "missing.pem"].map(|name| files.text(name));
    for (words, reason) in [
        (
            format!("--client-ca {bad}"),
            format!("client CA file {bad}: holds no certificate"),
        ),
        (
            format!("--client-ca {missing}"),
            format!("client CA file {missing}: No such file"),
        ),
        (
            format!("--client-ca {ca} --crl {bad}"),
            format!("client CRL file {bad}: "),
        ),
        (
            format!("--client-ca {ca} --crl {ca}"),
            format!("client CRL file {ca}: "),
        ),
        (
            format!("--client-ca {ca} --crl {missing}"),
            format!("client CRL file {missing}: No such file"),
        ),
    ] {
        let (cert, key, upstream) = (files.cert(), files.key(), echo());
        let words =
            format!("--listen 127.0.0.1:0 --upstream {upstream} --cert {cert} --key {key} {words}");
        run(&words).refused(1, &[&reason]);
    }
}
