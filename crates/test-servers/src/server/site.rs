//! What a server is to do, and the files that tell it. The files are templates in `config/`;
//! `{name}` stands for one of [`Site::values`].

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::files::Files;

/// The group of the key exchange, where there is one.
pub const GROUP: &str = "X25519";

/// Sessions that a server's cache has room for. OpenSSL's own has this many unless told, and hitch
/// does not tell it.
const SESSIONS: usize = 20_480;
/// Seconds for which a session can be resumed: OpenSSL's default, and hitch's for that reason.
const TIMEOUT: u32 = 7_200;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;
/// Seconds for which a client may be silent, also in the middle of its handshake: longer than any
/// test or measurement.
const PATIENCE: u32 = 600;
/// nginx's `stream` module on Debian. Elsewhere it is built in, and needs no loading.
pub const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// What a server is to do.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// Where the certificate is.
    pub files: &'a Files,
    /// The name that clients ask for.
    pub server_name: &'a str,
    /// Where it forwards the plain bytes to, over TCP. Without one it answers HTTP itself.
    pub upstream: Option<SocketAddr>,
    /// Worker threads, or processes.
    pub workers: usize,
    /// Whether its tickets carry sessions.
    pub stateless: bool,
    /// The only cipher suites of TLS 1.2 and TLS 1.3.
    pub cipher_suites: [&'a str; 2],
    /// Files of ticket keys, as the server reads them; none for keys of its own.
    pub ticket_keys: &'a [String],
}

/// A server that is about to be started in a directory of its own.
#[derive(Debug)]
pub struct Site<'a> {
    /// The server's program.
    pub program: &'a Path,
    /// Where it writes.
    pub directory: &'a Path,
    /// Where it is to listen.
    pub listen: SocketAddr,
    /// What it is to do.
    pub task: &'a Task<'a>,
}

impl Site<'_> {
    fn values(&self) -> Vec<(&'static str, String)> {
        let (listen, task) = (self.listen, self.task);
        let pick = |condition, on: &str, off: &str| (if condition { on } else { off }).to_owned();
        let stateless = |on: &str, off: &str| pick(task.stateless, on, off);
        let forwards = |on: &str, off: &str| pick(task.upstream.is_some(), on, off);
        // hitch keeps root's rights only when told so.
        let is_root = rustix::process::geteuid().is_root();
        let upstream = task.upstream.unwrap_or(listen);
        let load_module = format!("load_module {STREAM_MODULE};");
        let load = task.upstream.is_some() && Path::new(STREAM_MODULE).exists();
        let keys = |option: &str| -> String {
            let keys = task.ticket_keys.iter();
            keys.map(|file| option.replace("FILE", file)).collect()
        };
        let nginx_http = include_str!("config/nginx-http.conf");
        let haproxy_tcp = "server upstream {upstream}";
        let trafficserver_keys = "CONFIG proxy.config.ssl.server.ticket_key.filename STRING FILE\n";
        let root = "user = \"root\"\ngroup = \"root\"";
        let both = self.directory.join("both.pem");
        vec![
            (
                "nginx_service",
                forwards("proxy_pass {upstream};", nginx_http),
            ),
            (
                "haproxy_service",
                forwards(haproxy_tcp, "http-request return status 200"),
            ),
            (
                "nginx_patience",
                forwards("ssl_handshake_timeout {patience}s;", ""),
            ),
            ("nginx_keys", keys("ssl_session_ticket_key FILE;\n")),
            ("haproxy_keys", keys("tls-ticket-keys FILE ")),
            ("traffic_server_keys", keys(trafficserver_keys)),
            ("apache_keys", keys("SSLSessionTicketKeyFile FILE\n")),
            ("listen", listen.to_string()),
            ("host", listen.ip().to_string()),
            ("port", listen.port().to_string()),
            ("upstream", upstream.to_string()),
            ("upstream_host", upstream.ip().to_string()),
            ("upstream_port", upstream.port().to_string()),
            ("workers", task.workers.to_string()),
            ("sessions", SESSIONS.to_string()),
            ("twice_sessions", (2 * SESSIONS).to_string()),
            ("timeout", TIMEOUT.to_string()),
            ("patience", PATIENCE.to_string()),
            ("backlog", BACKLOG.to_string()),
            ("cipher", task.cipher_suites[0].to_owned()),
            ("cipher_suite", task.cipher_suites[1].to_owned()),
            ("group", GROUP.to_owned()),
            ("server_name", task.server_name.to_owned()),
            ("certificate", task.files.cert()),
            ("key", task.files.key()),
            ("both", both.display().to_string()),
            ("directory", self.directory.display().to_string()),
            ("on_off", stateless("on", "off")),
            ("one_zero", stateless("1", "0")),
            ("haproxy_tickets", stateless("", "no-tls-tickets")),
            ("haproxy_mode", forwards("tcp", "http")),
            ("nginx_kind", forwards("stream", "http")),
            ("nginx_module", pick(load, &load_module, "")),
            ("hitch_user", pick(is_root, root, "")),
        ]
    }

    fn filled(&self, template: &str) -> String {
        let fill = |text: String, (name, value): (&str, String)| {
            text.replace(&format!("{{{name}}}"), &value)
        };
        self.values().into_iter().fold(template.to_owned(), fill)
    }

    /// Writes a file from a template.
    pub(super) fn write(&self, name: &str, template: &str) -> io::Result<PathBuf> {
        let file = self.directory.join(name);
        fs::write(&file, self.filled(template))?;
        Ok(file)
    }

    /// Writes the key and the certificate into one file.
    pub(super) fn write_both(&self) -> io::Result<()> {
        let files = self.task.files;
        let both = [fs::read(files.key())?, fs::read(files.cert())?].concat();
        fs::write(self.directory.join("both.pem"), both)
    }

    /// The program with arguments, which are divided at spaces; the last one is `file`.
    pub fn command(&self, arguments: &str, file: Option<&Path>) -> Command {
        let mut command = Command::new(self.program);
        command.args(self.filled(arguments).split(' ')).args(file);
        command
    }
}
