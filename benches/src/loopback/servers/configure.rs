//! Each server's command and files. The files are templates in `config/`; `{name}` stands for one
//! of [`values`].

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::loopback::client::{CIPHER, CIPHER_SUITE, GROUP};
use crate::tls::{Identity, SERVER_NAME};

/// Sessions that a server's cache has room for. OpenSSL's own has this many unless told, and hitch
/// does not tell it.
const SESSIONS: usize = 20_480;
/// Seconds for which a session can be resumed: OpenSSL's default, and hitch's for that reason.
const TIMEOUT: u32 = 7_200;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;
/// nginx's `stream` module on Debian. Elsewhere it is built in, and needs no loading.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// What a server is to do.
#[derive(Clone, Copy)]
pub(in crate::loopback) struct Task<'a> {
    /// Where `certificate.pem`, `key.pem` and `both.pem` are.
    pub(in crate::loopback) identity: &'a Path,
    pub(in crate::loopback) upstream: SocketAddr,
    /// Worker threads, or processes.
    pub(in crate::loopback) workers: usize,
    /// Whether its tickets carry sessions.
    pub(in crate::loopback) stateless: bool,
}

/// Writes the certificate that all servers show, as they read it.
pub(in crate::loopback) fn write_identity(directory: &Path) -> io::Result<()> {
    let identity = Identity::new()?;
    let certificate = identity.certificate.to_pem()?;
    let key = identity.key.private_key_to_pem_pkcs8()?;
    fs::write(directory.join("certificate.pem"), &certificate)?;
    fs::write(directory.join("key.pem"), &key)?;
    fs::write(directory.join("both.pem"), [key, certificate].concat())
}

/// A server that is about to be started in a directory of its own.
pub(super) struct Start<'a> {
    pub(super) program: &'a Path,
    pub(super) listen: SocketAddr,
    pub(super) task: &'a Task<'a>,
    pub(super) directory: &'a Path,
}

/// Writes the files that a server reads, and says how to start it.
pub(super) type Configure = fn(&Start<'_>) -> io::Result<Command>;

impl Start<'_> {
    fn values(&self) -> Vec<(&'static str, String)> {
        let (
            listen,
            Task {
                upstream,
                workers,
                stateless,
                identity,
            },
        ) = (self.listen, self.task);
        let pick = |on: &str, off: &str| if *stateless { on } else { off }.to_owned();
        let file = |name: &str| identity.join(name).display().to_string();
        let module = if Path::new(MODULE).exists() {
            format!("load_module {MODULE};")
        } else {
            String::new()
        };
        // hitch keeps root's rights only when told so.
        let is_root = rustix::process::geteuid().is_root();
        let user = if is_root {
            "user = \"root\"\ngroup = \"root\""
        } else {
            ""
        };
        vec![
            ("listen", listen.to_string()),
            ("host", listen.ip().to_string()),
            ("port", listen.port().to_string()),
            ("upstream", upstream.to_string()),
            ("upstream_host", upstream.ip().to_string()),
            ("upstream_port", upstream.port().to_string()),
            ("workers", workers.to_string()),
            ("sessions", SESSIONS.to_string()),
            ("twice_sessions", (2 * SESSIONS).to_string()),
            ("timeout", TIMEOUT.to_string()),
            ("backlog", BACKLOG.to_string()),
            ("cipher", CIPHER.to_owned()),
            ("cipher_suite", CIPHER_SUITE.to_owned()),
            ("group", GROUP.to_owned()),
            ("server_name", SERVER_NAME.to_owned()),
            ("certificate", file("certificate.pem")),
            ("key", file("key.pem")),
            ("both", file("both.pem")),
            ("directory", self.directory.display().to_string()),
            ("on_off", pick("on", "off")),
            ("one_zero", pick("1", "0")),
            ("haproxy_tickets", pick("", "no-tls-tickets")),
            ("hitch_user", user.to_owned()),
            ("nginx_module", module),
        ]
    }

    fn filled(&self, template: &str) -> String {
        let fill = |text: String, (name, value): (&str, String)| {
            text.replace(&format!("{{{name}}}"), &value)
        };
        self.values().into_iter().fold(template.to_owned(), fill)
    }

    fn write(&self, name: &str, template: &str) -> io::Result<std::path::PathBuf> {
        let file = self.directory.join(name);
        fs::write(&file, self.filled(template))?;
        Ok(file)
    }

    /// The program with arguments, which are divided at spaces; the last one is `file`.
    fn command(&self, arguments: &str, file: Option<&Path>) -> Command {
        let mut command = Command::new(self.program);
        command.args(self.filled(arguments).split(' ')).args(file);
        command
    }
}

pub(super) fn rekindle(start: &Start<'_>) -> io::Result<Command> {
    let arguments = "--cert {certificate} --key {key} --listen {listen} --upstream {upstream} \
                     --threads {workers} --tickets {on_off} --sessions {sessions} \
                     --session-timeout {timeout}";
    let mut command = start.command(arguments, None);
    command.env("RUST_LOG", "error");
    Ok(command)
}

pub(super) fn nginx(start: &Start<'_>) -> io::Result<Command> {
    let file = start.write("nginx.conf", include_str!("config/nginx.conf"))?;
    Ok(start.command("-e stderr -p {directory} -c", Some(&file)))
}

pub(super) fn haproxy(start: &Start<'_>) -> io::Result<Command> {
    let file = start.write("haproxy.cfg", include_str!("config/haproxy.cfg"))?;
    Ok(start.command("-q -db -f", Some(&file)))
}

pub(super) fn hitch(start: &Start<'_>) -> io::Result<Command> {
    let file = start.write("hitch.conf", include_str!("config/hitch.conf"))?;
    let mut command = start.command("--config", Some(&file));
    if !start.task.stateless {
        let openssl = start.write("openssl.cnf", include_str!("config/no-tickets.cnf"))?;
        command.env("OPENSSL_CONF", openssl);
    }
    Ok(command)
}

/// Apache Traffic Server, forwarding TCP by `forward_route`: it terminates TLS, then tunnels. It
/// connects upstream only when the client has said something. Its session cache takes no sessions
/// of TLS 1.3 (its debug tags `ssl.session_cache` show lookups, and no insert).
pub(super) fn traffic_server(start: &Start<'_>) -> io::Result<Command> {
    for name in ["etc", "data", "state", "run", "log", "cache"] {
        fs::create_dir_all(start.directory.join(name))?;
    }
    for name in ["storage", "volume", "cache", "parent", "plugin", "remap"] {
        start.write(&format!("etc/{name}.config"), "")?;
    }
    start.write("etc/records.config", include_str!("config/records.config"))?;
    let sni = "sni:\n- fqdn: {server_name}\n  forward_route: {upstream}\n";
    start.write("etc/sni.yaml", sni)?;
    let certificate = "dest_ip=* ssl_cert_name={certificate} ssl_key_name={key}\n";
    start.write("etc/ssl_multicert.config", certificate)?;
    let allow = "ip_allow:\n- apply: in\n  ip_addrs: 127.0.0.1\n  action: allow\n  methods: ALL\n";
    start.write("etc/ip_allow.yaml", allow)?;
    let layout = start.write("runroot.yaml", include_str!("config/runroot.yaml"))?;
    let mut command = Command::new(start.program);
    command.env("TS_RUNROOT", layout);
    Ok(command)
}
