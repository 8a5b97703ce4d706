//! Real clients: `openssl s_client`, `curl`, `gnutls-cli`. Their arguments are words of one line.

use std::process::{Command, Stdio};

pub(crate) use rekindle_test_servers::{Printed, bounded, converse};
use rekindle_test_servers::{Process, finish};

use crate::common::is_installed;
use crate::server::Server;

/// One process that makes a connection for each request, and resumes if it can.
#[track_caller]
pub(crate) fn curl(server: &Server, arguments: &str, requests: usize) -> Printed {
    let mut curl = bounded(&format!(
        "curl --silent --show-error --insecure {arguments}"
    ));
    curl.args(["--header", "Connection: close"]);
    curl.args(vec![format!("https://{}/", server.address); requests]);
    finish(Process::spawn(&mut curl, Stdio::null()))
}

/// Requests the page; with `--resume` in a second connection.
#[track_caller]
pub(crate) fn gnutls_cli(server: &Server, arguments: &str) -> Printed {
    let request = b"GET / HTTP/1.0\r\n\r\n";
    converse(&mut gnutls_client(server, arguments), request)
}

pub(crate) fn gnutls_client(server: &Server, arguments: &str) -> Command {
    let (host, port) = (server.address.ip(), server.address.port());
    bounded(&format!(
        "gnutls-cli --insecure --port {port} {host} {arguments}"
    ))
}

pub(crate) fn has_gnutls_cli() -> bool {
    let mut version = Command::new("gnutls-cli");
    is_installed(version.arg("--version"), "gnutls-cli", "gnutls-bin")
}
