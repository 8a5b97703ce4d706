//! Apache Traffic Server: one file of records, the first seals, all open.

use std::fs;
use std::process::Command;

use openssl::sha::sha256;

use super::{Product, Site};
use crate::keys::{Format, KEYS, Order};

pub(super) const PRODUCT: Product = Product {
    name: "Traffic Server",
    package: "trafficserver",
    program: "traffic_server",
    version: ("-V", "Traffic Server "),
    formats: &[Format::binary("traffic-server-48", Order::HmacAes, 16)],
    opens: [true; KEYS],
    suspect: false,
    context: "SHA-256 of ssl_cert_name as configured",
    make_context: |files| sha256(files.cert().as_bytes()).to_vec(),
    configure,
};

fn configure(command: &mut Command, site: &Site<'_>) {
    for name in ["etc", "data", "state", "run", "log", "cache"] {
        fs::create_dir_all(site.files.path(name)).expect("the directory is made");
    }
    for name in ["storage", "volume", "cache", "parent", "plugin", "remap"] {
        site.write(&format!("etc/{name}.config"), "");
    }
    site.write("etc/records.config", records(site));
    site.write(
        "etc/ssl_multicert.config",
        format!(
            "dest_ip=* ssl_cert_name={} ssl_key_name={}\n",
            site.files.cert(),
            site.files.key()
        ),
    );
    site.write(
        "etc/ip_allow.yaml",
        "ip_allow:\n- apply: in\n  ip_addrs: 127.0.0.1\n  action: allow\n  methods: ALL\n",
    );
    command.env("TS_RUNROOT", site.write("runroot.yaml", layout(site)));
}

/// Everything that it writes, and all that it reads of its configuration, in our directory.
fn layout(site: &Site<'_>) -> String {
    let directory = site.files.text("");
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

fn records(site: &Site<'_>) -> String {
    let port = format!("{}:ip-in={}:ssl", site.listen.port(), site.listen.ip());
    let keys = site.key_file();
    let settings = [
        ("exec_thread.autoconfig", "INT", "0"),
        ("exec_thread.limit", "INT", "1"),
        ("accept_threads", "INT", "0"),
        ("task_threads", "INT", "1"),
        ("http.server_ports", "STRING", &port),
        ("http.cache.http", "INT", "0"),
        ("log.logging_enabled", "INT", "0"),
        // As the user that starts it.
        ("admin.user_id", "STRING", "#-1"),
        ("crash_log_helper", "STRING", "NULL"),
        ("ssl.TLSv1", "INT", "0"),
        ("ssl.TLSv1_1", "INT", "0"),
        ("ssl.server.cert.path", "STRING", "/"),
        ("ssl.server.private_key.path", "STRING", "/"),
        ("ssl.server.session_ticket.enable", "INT", "1"),
        ("ssl.server.ticket_key.filename", "STRING", &keys),
    ];
    let line = |(name, kind, value): &(&str, &str, &str)| {
        format!("CONFIG proxy.config.{name} {kind} {value}\n")
    };
    settings.iter().map(line).collect()
}
