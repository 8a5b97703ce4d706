//! ALPN: what client and terminator agree on, and what the upstream hears of it.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use rekindle_test_servers::{
    Files, Printed, Process, bounded, find, free_address, s_client_get, skipped,
};

use crate::common::told::reporter;
use crate::common::{KINDS, Terminator, eventually};

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];
const PAGE: &[u8] = b"a page of the upstream\n";

/// Before an upstream that says what it was told.
fn told(words: &str) -> (Files, Terminator) {
    let files = Files::with_certificate("alpn");
    let words = format!("--proxy-protocol-out v2 --threads 1 {words}");
    let terminator = Terminator::proxy(reporter(), &files, &words);
    (files, terminator)
}

#[track_caller]
fn agreed(printed: &Printed, on: &str) {
    printed.assert_no_error();
    let line = match on {
        "none" => "No ALPN negotiated".to_owned(),
        on => format!("ALPN protocol: {on}"),
    };
    let lines = printed.0.lines().filter(|printed| **printed == line);
    assert_eq!(lines.count(), 1, "no {line}: {}", printed.0);
    assert_eq!(printed.pages("alpn"), [on], "what the upstream was told");
}

#[test]
fn the_first_of_ours_that_the_client_offers_is_chosen_and_told_to_the_upstream() {
    let (_files, terminator) = told("--alpn h2,http/1.1");
    for version in VERSIONS {
        for (offered, chosen) in [
            ("-alpn h2,http/1.1", "h2"),
            ("-alpn http/1.1,h2", "h2"),
            ("-alpn http/1.1", "http/1.1"),
            ("-alpn spdy/3,http/1.1,http/1.0", "http/1.1"),
            // A client that knows nothing of ALPN goes on without.
            ("", "none"),
        ] {
            let words = format!("{version} {offered}");
            agreed(&s_client_get(terminator.address, &words), chosen);
        }
    }
}

#[test]
fn a_client_that_offers_other_protocols_only_is_refused() {
    let (_files, terminator) = told("--alpn h2,http/1.1");
    for (version, count) in VERSIONS.into_iter().zip([2, 4]) {
        for offered in ["spdy/3", "h,2,http/1,http/1.11"] {
            let printed = terminator.s_client(&format!("{version} -alpn {offered}"));
            let alert = "alert no application protocol";
            assert!(printed.0.contains(alert), "{}", printed.0);
        }
        terminator.wait_for_metric(r#"rekindle_handshake_failures_total{reason="tls"}"#, count);
    }
}

#[test]
fn without_the_flag_no_offer_is_answered() {
    let (_files, terminator) = told("");
    for version in VERSIONS {
        let words = format!("{version} -alpn h2");
        agreed(&s_client_get(terminator.address, &words), "none");
    }
}

/// The protocol belongs to the connection, and not to the session (RFC 7301, section 3.1).
#[test]
fn a_resumed_connection_agrees_anew() {
    for (kind, tickets) in KINDS {
        let (files, terminator) = told(&format!("--alpn h2,http/1.1 --tickets {tickets}"));
        let session = files.text("session");
        let words = format!("{kind} -alpn h2 -sess_out {session}");
        agreed(&s_client_get(terminator.address, &words), "h2");
        for (offered, chosen) in [("-alpn http/1.1", "http/1.1"), ("", "none")] {
            let words = format!("{kind} {offered} -sess_in {session}");
            let printed = s_client_get(terminator.address, &words);
            printed.expect_reused([true]);
            agreed(&printed, chosen);
        }
    }
}

#[test]
fn curl_and_h2load_speak_http_2_to_an_upstream_that_does() {
    let (Some(nghttpd), Some(h2load)) = (find("nghttpd"), find("h2load")) else {
        return skipped("HTTP/2 through the tunnel (Debian: nghttp2-client nghttp2-server)");
    };
    let files = Files::with_certificate("localhost");
    let (_upstream, address) = start_nghttpd(&nghttpd, &files);
    let terminator = Terminator::proxy(address, &files, "--alpn h2,http/1.1");
    let url = format!("https://{}/page", terminator.address);

    let mut curl = Command::new("curl");
    curl.args([
        "-sSk",
        "--http2",
        "--max-time",
        "60",
        "-w",
        "HTTP/%{http_version}",
        &url,
    ]);
    let output = curl.output().expect("curl runs");
    let expected = [PAGE, b"HTTP/2"].concat();
    assert_eq!(output.stdout, expected, "{output:?}");

    let mut load = bounded(h2load.to_str().expect("UTF-8"));
    load.args(["-n", "400", "-c", "8", "-m", "10", "--npn-list", "h2", &url]);
    let output = load.stdin(Stdio::null()).output().expect("it runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("Application protocol: h2"), "{printed}");
    let all = "400 succeeded, 0 failed, 0 errored, 0 timeout";
    assert!(printed.contains(all), "{printed}");
}

/// HTTP/2 without TLS, which every client is expected to speak from its first byte on.
fn start_nghttpd(program: &Path, files: &Files) -> (Process, SocketAddr) {
    files.replace("page", PAGE);
    let address = free_address();
    let mut command = Command::new(program);
    command.args(["--no-tls", "-a", "127.0.0.1", "-d"]);
    command
        .arg(files.directory())
        .arg(address.port().to_string());
    let process = Process::spawn(&mut command, Stdio::null());
    eventually("nghttpd", || TcpStream::connect(address).is_ok());
    (process, address)
}
