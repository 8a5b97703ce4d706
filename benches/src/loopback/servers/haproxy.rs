//! HAProxy in TCP mode.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{BACKLOG, Duty, SESSIONS, TIMEOUT};
use crate::loopback::way::{CIPHER, CIPHER_SUITE, GROUP};

/// Its cache is sized in blocks of 200 bytes, of which a session of TLS 1.3 takes two.
const BLOCKS: usize = 2 * SESSIONS;

pub(super) fn configure(
    program: &Path,
    listen: SocketAddr,
    duty: &Duty<'_>,
    directory: &Path,
) -> io::Result<Command> {
    let text = format!(
        "global
    nbthread {workers}
    tune.ssl.cachesize {BLOCKS}
    tune.ssl.lifetime {TIMEOUT}
    ssl-default-bind-ciphers {CIPHER}
    ssl-default-bind-ciphersuites {CIPHER_SUITE}
    ssl-default-bind-curves {GROUP}
    ssl-default-bind-options ssl-min-ver TLSv1.2 {tickets}
defaults
    mode tcp
    timeout connect 10s
    timeout client 10s
    timeout server 10s
listen tls
    bind {listen} ssl crt {both} backlog {BACKLOG}
    server upstream {upstream}
",
        workers = duty.workers,
        tickets = if duty.stateless { "" } else { "no-tls-tickets" },
        both = duty.identity.both.display(),
        upstream = duty.upstream,
    );
    let file = directory.join("haproxy.cfg");
    fs::write(&file, text)?;
    let mut command = Command::new(program);
    command.args(["-q", "-db", "-f"]).arg(file);
    Ok(command)
}
