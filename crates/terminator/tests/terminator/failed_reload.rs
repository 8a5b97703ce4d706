//! A reload of files that OpenSSL does not take together.

use std::fs;
use std::io::Write;
use std::process::Command;

use rekindle_test_servers::{Files, serve};

use crate::common::client::{receive_all, tls_connect};
use crate::common::{BINARY, Terminator, eventually};

/// The settings of the reload that had failed were once never put in use: the next one found no
/// difference.
#[test]
fn settings_that_a_failed_reload_has_read_are_put_in_use_by_the_next_one() {
    let [before, after] = [&b"before"[..], b"after"].map(|answer| {
        let upstream = serve(move |mut tcp| tcp.write_all(answer));
        format!("upstream = '{upstream}'\n")
    });
    let files = Files::with_certificate("site");
    let write = |more: &str| {
        let text = format!(
            "listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\ncert = 'cert.pem'\nkey = 'key.pem'\n\
             {more}"
        );
        files.replace("site.toml", text.as_bytes());
    };
    write(&before);
    let mut command = Command::new(BINARY);
    command.args(["--config", &files.text("site.toml")]);
    let terminator = Terminator::spawn(command);
    let answer = || receive_all(&mut tls_connect(terminator.address)).expect("close_notify");
    assert_eq!(answer(), b"before");

    let names = ["cert.pem", "key.pem"];
    let good = names.map(|name| fs::read(files.path(name)).expect("it is there"));
    files.make_certificate_with("rsa:512", "weak");
    write(&after);
    terminator.reload("TLS reload failed");
    assert_eq!(answer(), b"before", "what was in use stays in use");

    for (name, content) in names.into_iter().zip(&good) {
        files.replace(name, content);
    }
    terminator.reload("certificate reload: unchanged");
    eventually("the new upstream", || answer() == b"after");
}
