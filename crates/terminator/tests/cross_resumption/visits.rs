//! Clients that come, and come back.

use std::fs;
use std::net::SocketAddr;

use openssl::base64::decode_block;
use rekindle_test_servers::{Printed, s_client_get};
use tempfile::NamedTempFile;

use crate::ticket::Ticket;

/// What a client keeps of a visit.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    protocol: &'a str,
    file: NamedTempFile,
}

impl Session<'_> {
    pub(crate) fn ticket(&self) -> Ticket {
        let pem = fs::read_to_string(&self.file).expect("s_client wrote a session");
        let lines = pem.lines().filter(|line| !line.starts_with("-----"));
        let session = decode_block(&lines.collect::<String>()).expect("base64");
        Ticket::of_client_session(&session)
    }

    fn path(&self) -> &str {
        self.file.path().to_str().expect("paths here are UTF-8")
    }
}

/// A full handshake that leaves its session.
pub(crate) fn first_visit(address: SocketAddr, protocol: &str) -> Session<'_> {
    let file = NamedTempFile::new().expect("a temporary file");
    let session = Session { protocol, file };
    let printed = visit(address, &format!("{protocol} -sess_out {}", session.path()));
    assert_eq!(printed.reused(), [false], "{}", printed.0);
    session
}

/// A handshake with that session, full or resumed.
pub(crate) fn second_visit(address: SocketAddr, session: &Session<'_>) -> Printed {
    visit(
        address,
        &format!("{} -sess_in {}", session.protocol, session.path()),
    )
}

fn visit(address: SocketAddr, words: &str) -> Printed {
    let printed = s_client_get(address, &format!("-servername localhost {words}"));
    printed.assert_no_error();
    printed
}
