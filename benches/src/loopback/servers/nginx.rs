//! nginx, with its `stream` module: `libnginx-mod-stream` on Debian.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{BACKLOG, Duty, TIMEOUT};
use crate::loopback::way::{CIPHER, CIPHER_SUITE, GROUP};

/// Where Debian puts the module. Elsewhere it is built in, and needs no loading.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// Its shared cache is sized in bytes: a node, an id and an encoded session come to 400 to 600 for
/// each of [`SESSIONS`](super::SESSIONS).
const CACHE: &str = "16m";

pub(super) fn configure(
    program: &Path,
    listen: SocketAddr,
    duty: &Duty<'_>,
    directory: &Path,
) -> io::Result<Command> {
    let module = PathBuf::from(MODULE);
    let load = if module.exists() {
        format!("load_module {MODULE};")
    } else {
        String::new()
    };
    let text = format!(
        "{load}
daemon off;
worker_processes {workers};
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
stream {{
    access_log off;
    server {{
        listen {listen} ssl backlog={BACKLOG};
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ciphers {CIPHER};
        ssl_conf_command Ciphersuites {CIPHER_SUITE};
        ssl_ecdh_curve {GROUP};
        ssl_session_cache shared:sessions:{CACHE};
        ssl_session_timeout {TIMEOUT}s;
        ssl_session_tickets {tickets};
        proxy_pass {upstream};
    }}
}}
",
        workers = duty.workers,
        certificate = duty.identity.certificate.display(),
        key = duty.identity.key.display(),
        tickets = if duty.stateless { "on" } else { "off" },
        upstream = duty.upstream,
    );
    let file = directory.join("nginx.conf");
    fs::write(&file, text)?;
    let mut command = Command::new(program);
    command
        .args(["-e", "stderr"])
        .arg("-p")
        .arg(directory)
        .arg("-c")
        .arg(file);
    Ok(command)
}
