//! What a handshake offers: groups, ciphers, and tickets after it.

use std::io::Read;
use std::sync::mpsc;

use rekindle_test_servers::{Files, Printed, serve};

use crate::common::client::{send, tls_connect};
use crate::common::{DEADLINE, Terminator};

/// The key exchange of both is on a curve, and no curve is needed for a certificate.
const PROTOCOLS: [&str; 2] = ["-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", "-tls1_3"];
const ARRIVED: &str = "Post-Handshake New Session Ticket arrived";

#[track_caller]
fn agreed(printed: &Printed, on: &str) {
    printed.expect_reused([false]);
    assert!(printed.0.contains(on), "no {on}: {}", printed.0);
}

#[track_caller]
fn refused(printed: &Printed) {
    let alert = "alert handshake failure";
    assert!(printed.0.contains(alert), "no alert: {}", printed.0);
}

fn with_rsa(words: &str) -> (Files, Terminator) {
    let files = Files::new();
    files.make_certificate_with("rsa:2048", "offers");
    let terminator = Terminator::proxy("127.0.0.1:9", &files, words);
    (files, terminator)
}

#[test]
fn by_default_the_groups_are_those_of_mozillas_guideline() {
    let (_files, terminator) = with_rsa("");
    for protocol in PROTOCOLS {
        for (group, key) in [
            ("X25519", "Temp Key: X25519"),
            ("prime256v1", "256 bits"),
            ("secp384r1", "384 bits"),
        ] {
            let printed = terminator.s_client(&format!("{protocol} -groups {group}"));
            agreed(&printed, key);
        }
        for group in ["secp521r1", "X448"] {
            refused(&terminator.s_client(&format!("{protocol} -groups {group}")));
        }
    }
    for group in ["ffdhe2048", "ffdhe8192"] {
        refused(&terminator.s_client(&format!("-tls1_3 -groups {group}")));
    }
    // OpenSSL 3.5, both the terminator's and the client's.
    let hybrid = terminator.s_client("-tls1_3 -groups X25519MLKEM768");
    if openssl::version::number() >= 0x3050_0000 && hybrid.0.contains("CONNECTED") {
        agreed(&hybrid, "X25519MLKEM768");
    }
}

#[test]
fn a_list_of_groups_takes_the_place_of_the_default() {
    let (_files, terminator) = with_rsa("--groups secp521r1");
    for protocol in PROTOCOLS {
        let printed = terminator.s_client(&format!("{protocol} -groups secp521r1"));
        agreed(&printed, "521 bits");
        refused(&terminator.s_client(&format!("{protocol} -groups X25519")));
    }
}

#[test]
fn by_default_the_ciphers_are_those_of_mozillas_guideline() {
    let (_files, terminator) = with_rsa("");
    for cipher in ["ECDHE-RSA-AES128-GCM-SHA256", "DHE-RSA-CHACHA20-POLY1305"] {
        let printed = terminator.s_client(&format!("-tls1_2 -cipher {cipher}"));
        agreed(&printed, &format!("Cipher is {cipher}"));
    }
    // No forward secrecy; CBC; CCM.
    for cipher in [
        "AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-SHA256",
        "DHE-RSA-AES128-CCM",
    ] {
        refused(&terminator.s_client(&format!("-tls1_2 -cipher {cipher}")));
    }
    for suite in ["TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"] {
        let printed = terminator.s_client(&format!("-tls1_3 -ciphersuites {suite}"));
        agreed(&printed, &format!("Cipher is {suite}"));
    }
    refused(&terminator.s_client("-tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256"));
}

#[test]
fn lists_of_ciphers_take_the_place_of_the_default() {
    let files = Files::with_certificate("ciphers");
    let lists = "--ciphers ECDHE+AES256:!SHA1:!SHA384 --cipher-suites TLS_AES_128_CCM_SHA256";
    let terminator = Terminator::proxy("127.0.0.1:9", &files, lists);
    // At the start and after a reload.
    for reloads in 0..2 {
        let printed = terminator.s_client("-tls1_2");
        agreed(&printed, "Cipher is ECDHE-ECDSA-AES256-GCM-SHA384");
        refused(&terminator.s_client("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256"));
        let printed = terminator.s_client("-tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256");
        agreed(&printed, "Cipher is TLS_AES_128_CCM_SHA256");
        refused(&terminator.s_client("-tls1_3"));
        if reloads == 0 {
            files.make_certificate("renewed");
            terminator.reload("certificate reload: updated");
        }
    }
}

#[test]
fn a_full_handshake_of_tls_1_3_brings_as_many_tickets_as_asked_for() {
    for (words, tickets) in [
        ("", 2),
        ("--tickets-per-handshake 0", 0),
        ("--tickets-per-handshake 1", 1),
        ("--tickets-per-handshake 8", 8),
        ("--tickets-per-handshake 3 --tickets off", 3),
        ("--tickets-per-handshake 0 --tickets off", 0),
    ] {
        let printed = Terminator::demo(words).get("-tls1_3");
        let arrived = printed.0.matches(ARRIVED).count();
        assert_eq!(arrived, tickets, "{words}: {}", printed.0);
    }
}

/// Tickets that a client has not read turn its close into a reset, which makes the kernel discard
/// what the terminator has not read yet.
#[test]
fn without_tickets_an_upload_of_a_client_that_never_reads_arrives_whole() {
    const UPLOAD: usize = 4 << 20;
    let (sender, uploads) = mpsc::channel();
    let upstream = serve(move |mut tcp| {
        let mut upload = Vec::new();
        let end = tcp.read_to_end(&mut upload);
        let _ = sender.send(end.map(|_| upload.len()).map_err(|error| error.kind()));
        Ok(())
    });
    let files = Files::with_certificate("uploads");
    let terminator = Terminator::proxy(upstream, &files, "--tickets-per-handshake 0");
    for upload in 0..10 {
        let mut stream = tls_connect(terminator.address);
        assert_eq!(stream.ssl().version_str(), "TLSv1.3");
        send(&mut stream, &vec![0; UPLOAD]);
        stream.shutdown().expect("close_notify is sent");
        drop(stream);
        let arrived = uploads.recv_timeout(DEADLINE).expect("the upload ends");
        assert_eq!(arrived, Ok(UPLOAD), "upload {upload}");
    }
}
