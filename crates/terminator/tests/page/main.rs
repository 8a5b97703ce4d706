//! The admin page and the demo's page in a real browser, after real handshakes.

mod browser;
#[path = "../terminator/common/mod.rs"]
#[allow(dead_code, reason = "the tests of the terminator alone use the rest")]
mod common;
mod demo;
mod figures;
mod hostile;
mod looks;
mod operator;

use std::io::Write;
use std::net::SocketAddr;

use rekindle_test_servers::serve;

/// An upstream that answers a request and ends.
fn answering() -> SocketAddr {
    serve(|mut tcp| {
        common::told::read_request(&mut tcp)?;
        tcp.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello\n")
    })
}
