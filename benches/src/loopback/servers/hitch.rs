//! hitch. Debian's has OpenSSL's internal cache, one in each worker process.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{BACKLOG, Duty};
use crate::loopback::way::{CIPHER, CIPHER_SUITE, GROUP};

/// It has no option for this, but OpenSSL has, for every program.
const NO_TICKETS: &str = "openssl_conf = openssl
[openssl]
ssl_conf = ssl
[ssl]
system_default = default
[default]
Options = -SessionTicket
";

pub(super) fn configure(
    program: &Path,
    listen: SocketAddr,
    duty: &Duty<'_>,
    directory: &Path,
) -> io::Result<Command> {
    // It runs as nobody else's user only when told so.
    let user = if rustix::process::geteuid().is_root() {
        "user = \"root\"\ngroup = \"root\""
    } else {
        ""
    };
    let text = format!(
        "frontend = \"[{host}]:{port}\"
backend = \"[{up_host}]:{up_port}\"
pem-file = \"{both}\"
tls-protos = TLSv1.2 TLSv1.3
ciphers = \"{CIPHER}\"
ciphersuites = \"{CIPHER_SUITE}\"
ecdh-curve = \"{GROUP}\"
workers = {workers}
backlog = {BACKLOG}
daemon = off
log-level = 1
ocsp-dir = \"\"
{user}
",
        host = listen.ip(),
        port = listen.port(),
        up_host = duty.upstream.ip(),
        up_port = duty.upstream.port(),
        both = duty.identity.both.display(),
        workers = duty.workers,
    );
    let file = directory.join("hitch.conf");
    fs::write(&file, text)?;
    let mut command = Command::new(program);
    command.arg("--config").arg(file);
    if !duty.stateless {
        let openssl = directory.join("openssl.cnf");
        fs::write(&openssl, NO_TICKETS)?;
        command.env("OPENSSL_CONF", openssl);
    }
    Ok(command)
}
