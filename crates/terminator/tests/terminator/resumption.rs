//! A client comes back and resumes: by session id and by ticket, in TLS 1.2 and 1.3.

use std::process::Command;

use openssl::ssl::{Ssl, SslContext, SslMethod, SslOptions, SslSession, SslVersion};
use rekindle_test_servers::{Files, Visitor, echo};
use serde_json::Value;

use crate::common::{Terminator, connect, handshakes};

const ONE_NEW_FIVE_REUSED: [bool; 6] = [false, true, true, true, true, true];

/// OpenSSL stores a session of TLS 1.2 after it has sent its last message: with more threads, a
/// client that comes back at once may be faster than its session.
const ONE_THREAD: &str = "--threads 1";

#[test]
fn tls12_by_session_id() {
    let terminator = Terminator::demo(ONE_THREAD);
    let printed = terminator.s_client("-tls1_2 -no_ticket -reconnect");
    printed.expect_reused(ONE_NEW_FIVE_REUSED);
    let ids = printed.session_ids();
    assert_eq!(ids.len(), 6);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    terminator.wait_for_metric(&handshakes("TLSv1.2", "session_id"), 5);
    let hits = r#"rekindle_cache_lookups_total{result="hit"}"#;
    assert_eq!(terminator.metric(hits), 5);
}

#[test]
fn tls12_by_ticket() {
    let terminator = Terminator::demo("");
    let printed = terminator.s_client("-tls1_2 -reconnect");
    printed.expect_reused(ONE_NEW_FIVE_REUSED);
    terminator.wait_for_metric(&handshakes("TLSv1.2", "ticket"), 5);
    let inserts = terminator.metric("rekindle_cache_inserts_total");
    assert_eq!(inserts, 0, "tickets need no cache");
}

#[test]
fn tls12_without_tickets_falls_back_to_session_ids() {
    let terminator = Terminator::demo("--threads 1 --tickets off");
    let printed = terminator.s_client("-tls1_2 -reconnect");
    printed.expect_reused(ONE_NEW_FIVE_REUSED);
    terminator.wait_for_metric(&handshakes("TLSv1.2", "session_id"), 5);
}

#[test]
fn tls13_by_stateless_ticket() {
    tls13("on", "ticket");
}

#[test]
fn tls13_by_stateful_ticket() {
    tls13("off", "stateful_ticket");
}

fn tls13(tickets: &str, kind: &str) {
    let terminator = Terminator::demo(&format!("--tickets {tickets}"));
    let files = Files::new();
    let (first, second) = (files.text("first"), files.text("second"));

    let printed = terminator.get(&format!("-tls1_3 -sess_out {first}"));
    printed.expect_reused([false]);
    assert_eq!(printed.handshake(), "full");

    // The ticket that came with the resumed connection resumes as well.
    for (given, kept) in [(&first, &second), (&second, &first)] {
        let printed = terminator.get(&format!("-tls1_3 -sess_in {given} -sess_out {kept}"));
        printed.expect_reused([true]);
        assert_eq!(printed.handshake(), kind);
    }
}

#[test]
fn an_expired_session_is_swept_and_not_resumed() {
    // A sweep of the whole cache takes a minute; of a cache with one line, one call.
    let terminator = Terminator::demo("--session-timeout 1 --sessions 1");
    let client = Visitor::new("-tls1_2 -no_ticket");
    client.visit(terminator.address);
    // Maintenance sweeps expired sessions without a handshake.
    terminator.wait_for_metric("rekindle_cache_entries", 0);
    client.come_back(terminator.address).expect_reused([false]);
}

#[test]
fn curl_with_two_connections() {
    // With TLS 1.2 this client never asks for a ticket.
    for (tickets, version, kind) in [
        ("on", "--tls-max 1.2", "session_id"),
        ("off", "--tls-max 1.2", "session_id"),
        ("on", "--tlsv1.3", "ticket"),
        ("off", "--tlsv1.3", "stateful_ticket"),
        (
            "off --session-storage encoded",
            "--tls-max 1.2",
            "session_id",
        ),
        (
            "off --session-storage encoded",
            "--tlsv1.3",
            "stateful_ticket",
        ),
    ] {
        let terminator = Terminator::demo(&format!("--tickets {tickets}"));
        let url = format!("https://{}/", terminator.address);
        let words = format!("-sSk --max-time 60 -H Connection:close {version} {url} {url}");
        let output = Command::new("curl").args(words.split(' ')).output();
        let output = output.expect("curl runs");
        assert!(output.status.success(), "{output:?}");
        let answers = serde_json::Deserializer::from_slice(&output.stdout);
        let answers: Result<Vec<Value>, _> = answers.into_iter().collect();
        let answers = answers.expect("the demo answers in JSON");
        let said = |answer: &Value| (answer["resumed"].clone(), answer["handshake"].clone());
        let said: Vec<_> = answers.iter().map(said).collect();
        let expected = [(false, "full"), (true, kind)];
        assert_eq!(
            said,
            expected.map(|(resumed, kind)| (resumed.into(), kind.into()))
        );
    }
}

#[test]
fn a_client_that_hangs_up_without_close_notify_keeps_its_session() {
    let terminator = Terminator::proxy(echo(), &Files::with_certificate("rude"), "");
    let mut builder = SslContext::builder(SslMethod::tls_client()).unwrap();
    let tls12 = Some(SslVersion::TLS1_2);
    builder.set_max_proto_version(tls12).unwrap();
    builder.set_options(SslOptions::NO_TICKET);
    let context = builder.build();
    let connect = |session: Option<&SslSession>| {
        let mut ssl = Ssl::new(&context).unwrap();
        if let Some(session) = session {
            #[allow(unsafe_code)]
            // SAFETY: the session is a copy of one from this same context.
            unsafe {
                ssl.set_session(session).unwrap();
            }
        }
        ssl.connect(connect(terminator.address)).unwrap()
    };
    let first = connect(None);
    let session = first.ssl().session().unwrap().to_der().unwrap();
    drop(first); // closes the socket, and says nothing
    terminator.wait_for_metric(r#"rekindle_connections_broken_total{side="client"}"#, 1);
    terminator.wait_for_metric("rekindle_connections_active", 0);
    let session = SslSession::from_der(&session).unwrap();
    assert!(connect(Some(&session)).ssl().session_reused());
}
