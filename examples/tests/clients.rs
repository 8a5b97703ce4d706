//! Clients of all kinds resume at `rustls_server`: TLS 1.2 and 1.3, sessions in the store and
//! tickets. Each visits twice within one process; a client that is not installed is said to be
//! skipped.

use std::path::Path;
use std::process::{Command, Stdio};

use rekindle_test_servers::{Files, Process, bounded, converse, skipped};

/// The second visit is resumed; one of TLS 1.2 out of the store only where the client can do that.
fn resumes(program: &str, package: &str, line: &str, from_store_in_tls12: bool) {
    // A Java that only runs programs cannot compile ours.
    let needed = if program == "java" { "javac" } else { program };
    if Command::new(needed).arg("--help").output().is_err() {
        return skipped(&format!("{program} (Debian: {package})"));
    }
    let files = Files::with_certificate("first.example");
    let (cert, key) = (files.cert(), files.key());
    let request = files.text("request");
    files.replace("request", b"GET / HTTP/1.0\r\n\r\n");
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    for keys in [&[][..], &["store"]] {
        let mut server = Command::new(env!("CARGO_BIN_EXE_rustls_server"));
        server.args(["127.0.0.1:0", &cert, &key]).args(keys);
        let server = Process::spawn(&mut server, Stdio::null());
        let listening = server.wait_for("listening on");
        let (_, port) = listening.rsplit_once(':').unwrap();
        for version in ["1.2", "1.3"] {
            let line = line
                .replace("VERSION", version)
                .replace("PORT", port)
                .replace("REQUEST", &request);
            let mut client = bounded(&format!("{program} {line}"));
            let printed = converse(client.current_dir(&clients), b"GET / HTTP/1.0\r\n\r\n");
            let expected = from_store_in_tls12 || version == "1.3" || keys.is_empty();
            let resumed = printed.0.contains("handshake: Some(Resumed)");
            assert_eq!(resumed, expected, "{keys:?} TLS {version}: {}", printed.0);
        }
    }
}

#[test]
fn curl() {
    let visits = "--silent --insecure --header Connection:close --tlsvVERSION \
                  --tls-max VERSION https://127.0.0.1:PORT/ https://127.0.0.1:PORT/";
    resumes("curl", "curl", visits, true);
}

#[test]
fn gnutls() {
    let visits = "--insecure --resume --priority NORMAL:-VERS-ALL:+VERS-TLSVERSION --port PORT \
                  127.0.0.1";
    resumes("gnutls-cli", "gnutls-bin", visits, true);
}

#[test]
fn nss() {
    let visits = "-D -o -u -L 2 -A REQUEST -V tlsVERSION:tlsVERSION -h 127.0.0.1 -p PORT";
    resumes("tstclnt", "libnss3-tools", visits, true);
}

#[test]
fn python() {
    resumes(
        "python3",
        "python3",
        "client.py 127.0.0.1 PORT VERSION",
        true,
    );
}

#[test]
fn node() {
    resumes("node", "nodejs", "client.js 127.0.0.1 PORT VERSION", true);
}

#[test]
fn java() {
    let visits = "Client.java 127.0.0.1 PORT VERSION";
    resumes("java", "default-jdk-headless", visits, true);
}

/// In TLS 1.2 it knows tickets only.
#[test]
fn go() {
    resumes(
        "go",
        "golang-go",
        "run client.go 127.0.0.1 PORT VERSION",
        false,
    );
}
