//! Apache Traffic Server, forwarding TCP by `forward_route`: it terminates TLS, then tunnels. It
//! connects upstream only when the client has said something. Its session cache takes no sessions
//! of TLS 1.3 (its debug tags `ssl.session_cache` show lookups, and no insert).

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Duty, SESSIONS, TIMEOUT};
use crate::loopback::exchange::SERVER_NAME;
use crate::loopback::way::{CIPHER, CIPHER_SUITE, GROUP};

pub(super) fn configure(
    program: &Path,
    listen: SocketAddr,
    duty: &Duty<'_>,
    directory: &Path,
) -> io::Result<Command> {
    let etc = directory.join("etc");
    for name in ["etc", "data", "state", "run", "log", "cache"] {
        fs::create_dir_all(directory.join(name))?;
    }
    fs::write(etc.join("records.config"), records(listen, duty))?;
    let sni = format!(
        "sni:\n- fqdn: {SERVER_NAME}\n  forward_route: {}\n",
        duty.upstream
    );
    fs::write(etc.join("sni.yaml"), sni)?;
    let certificate = format!(
        "dest_ip=* ssl_cert_name={} ssl_key_name={}\n",
        duty.identity.certificate.display(),
        duty.identity.key.display()
    );
    fs::write(etc.join("ssl_multicert.config"), certificate)?;
    fs::write(
        etc.join("ip_allow.yaml"),
        "ip_allow:\n- apply: in\n  ip_addrs: 127.0.0.1\n  action: allow\n  methods: ALL\n",
    )?;
    for name in ["storage", "volume", "cache", "parent", "plugin", "remap"] {
        fs::write(etc.join(format!("{name}.config")), "")?;
    }
    let layout = directory.join("runroot.yaml");
    fs::write(&layout, layout_of(directory))?;
    let mut command = Command::new(program);
    command.env("TS_RUNROOT", layout);
    Ok(command)
}

/// Everything that it writes, and all that it reads of its configuration, in our directory.
fn layout_of(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "prefix: {directory}
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/bin
sysconfdir: {directory}/etc
datadir: {directory}/data
includedir: /usr/include
libdir: /usr/lib/trafficserver
libexecdir: /usr/lib/trafficserver/modules
localstatedir: {directory}/state
runtimedir: {directory}/run
logdir: {directory}/log
cachedir: {directory}/cache
"
    )
}

fn records(listen: SocketAddr, duty: &Duty<'_>) -> String {
    let port = format!("{}:ip-in={}:ssl", listen.port(), listen.ip());
    let settings = [
        ("exec_thread.autoconfig", "INT", "0".to_owned()),
        ("exec_thread.limit", "INT", duty.workers.to_string()),
        // The harness says which processors it runs on.
        ("exec_thread.affinity", "INT", "0".to_owned()),
        ("accept_threads", "INT", "0".to_owned()),
        ("task_threads", "INT", "1".to_owned()),
        ("http.server_ports", "STRING", port),
        (
            "http.connect_ports",
            "STRING",
            duty.upstream.port().to_string(),
        ),
        ("http.cache.http", "INT", "0".to_owned()),
        ("log.logging_enabled", "INT", "0".to_owned()),
        // As whoever starts it.
        ("admin.user_id", "STRING", "#-1".to_owned()),
        ("crash_log_helper", "STRING", "NULL".to_owned()),
        ("ssl.TLSv1", "INT", "0".to_owned()),
        ("ssl.TLSv1_1", "INT", "0".to_owned()),
        ("ssl.server.cert.path", "STRING", "/".to_owned()),
        ("ssl.server.private_key.path", "STRING", "/".to_owned()),
        ("ssl.server.cipher_suite", "STRING", CIPHER.to_owned()),
        (
            "ssl.server.TLSv1_3.cipher_suites",
            "STRING",
            CIPHER_SUITE.to_owned(),
        ),
        ("ssl.server.groups_list", "STRING", GROUP.to_owned()),
        // Its own cache, not OpenSSL's.
        ("ssl.session_cache", "INT", "2".to_owned()),
        ("ssl.session_cache.size", "INT", SESSIONS.to_string()),
        ("ssl.session_cache.timeout", "INT", TIMEOUT.to_string()),
        (
            "ssl.server.session_ticket.enable",
            "INT",
            u8::from(duty.stateless).to_string(),
        ),
    ];
    let line = |(name, kind, value): &(&str, &str, String)| {
        format!("CONFIG proxy.config.{name} {kind} {value}\n")
    };
    settings.iter().map(line).collect()
}
