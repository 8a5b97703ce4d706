//! A reload of files that OpenSSL does not take together.

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

    // 192 bits of security, which the certificate in use has not.
    let demanding = "ciphers = 'ECDHE-ECDSA-AES256-GCM-SHA384:@SECLEVEL=4'\n";
    write(&format!("{demanding}{after}"));
    terminator.reload("TLS reload failed");
    assert_eq!(answer(), b"before", "what was in use stays in use");

    files.make_certificate_with("ec -pkeyopt ec_paramgen_curve:P-384 -sha384", "strong");
    terminator.reload("certificate reload: updated");
    eventually("the new upstream", || answer() == b"after");
}
