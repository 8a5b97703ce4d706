//! The servers that Debian has, each in the foreground.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs, io};

use super::site::Site;

/// Writes the files that a server reads, and says how to start it.
pub type Configure = fn(&Site<'_>) -> io::Result<Command>;

/// A server, installed or not.
#[derive(Debug)]
pub struct Product {
    /// What its authors call it.
    pub name: &'static str,
    /// What Debian calls it.
    pub package: &'static str,
    program: &'static str,
    /// Argument that makes it print its version, and what it prints before that.
    version: (&'static str, &'static str),
    /// How it starts in the foreground.
    pub configure: Configure,
}

impl Product {
    /// Where its program is, if it is installed.
    pub fn find(&self) -> Option<PathBuf> {
        find(self.program)
    }

    /// What the server says that its version is. It must be installed.
    pub fn version(&self) -> String {
        let (argument, before) = self.version;
        let mut command = Command::new(self.find().expect("it is installed"));
        let output = command.arg(argument).output().expect("it runs");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        let (_, version) = printed
            .split_once(before)
            .unwrap_or_else(|| panic!("no version in: {printed}"));
        let end = version.find(|c: char| c != '.' && !c.is_ascii_digit());
        version[..end.unwrap_or(version.len())].to_owned()
    }
}

/// Where a program is, if it is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers where not every user's PATH leads.
    let system = ["/usr/sbin", "/usr/bin"].map(PathBuf::from);
    let directories = env::split_paths(&path).chain(system);
    let mut programs = directories.map(|directory| directory.join(program));
    programs.find(|program| program.is_file())
}

/// nginx forwards by its `stream` module.
pub static NGINX: Product = Product {
    name: "nginx",
    package: "nginx",
    program: "nginx",
    version: ("-v", "nginx/"),
    configure: |site| {
        let file = site.write("nginx.conf", include_str!("config/nginx.conf"))?;
        Ok(site.command("-e stderr -p {directory} -c", Some(&file)))
    },
};

/// HAProxy.
pub static HAPROXY: Product = Product {
    name: "haproxy",
    package: "haproxy",
    program: "haproxy",
    version: ("-v", "HAProxy version "),
    configure: |site| {
        site.write_both()?;
        let file = site.write("haproxy.cfg", include_str!("config/haproxy.cfg"))?;
        Ok(site.command("-q -db -f", Some(&file)))
    },
};

/// hitch needs an upstream, and reads no ticket keys.
pub static HITCH: Product = Product {
    name: "hitch",
    package: "hitch",
    program: "hitch",
    version: ("--version", "hitch "),
    configure: |site| {
        site.write_both()?;
        let file = site.write("hitch.conf", include_str!("config/hitch.conf"))?;
        let mut command = site.command("--config", Some(&file));
        if !site.task.stateless {
            let openssl = site.write("openssl.cnf", include_str!("config/no-tickets.cnf"))?;
            command.env("OPENSSL_CONF", openssl);
        }
        Ok(command)
    },
};

/// Apache Traffic Server forwards TCP by `forward_route`: it terminates TLS, then tunnels. It
/// connects upstream only when the client has said something. Its session cache takes no sessions
/// of TLS 1.3 (its debug tags `ssl.session_cache` show lookups, and no insert).
pub static TRAFFIC_SERVER: Product = Product {
    name: "Traffic Server",
    package: "trafficserver",
    program: "traffic_server",
    version: ("-V", "Traffic Server "),
    configure: traffic_server,
};

/// Apache httpd answers by itself, as one process.
pub static APACHE: Product = Product {
    name: "Apache httpd",
    package: "apache2-bin",
    program: "apache2",
    version: ("-v", "Apache/"),
    configure: |site| {
        let file = site.write("httpd.conf", include_str!("config/httpd.conf"))?;
        Ok(site.command("-X -f", Some(&file)))
    },
};

fn traffic_server(site: &Site<'_>) -> io::Result<Command> {
    for name in ["etc", "data", "state", "run", "log", "cache"] {
        fs::create_dir_all(site.directory.join(name))?;
    }
    for name in ["storage", "volume", "cache", "parent", "plugin", "remap"] {
        site.write(&format!("etc/{name}.config"), "")?;
    }
    site.write("etc/records.config", include_str!("config/records.config"))?;
    if site.task.upstream.is_some() {
        let sni = "sni:\n- fqdn: {server_name}\n  forward_route: {upstream}\n";
        site.write("etc/sni.yaml", sni)?;
    }
    let certificate = "dest_ip=* ssl_cert_name={certificate} ssl_key_name={key}\n";
    site.write("etc/ssl_multicert.config", certificate)?;
    let allow = "ip_allow:\n- apply: in\n  ip_addrs: 127.0.0.1\n  action: allow\n  methods: ALL\n";
    site.write("etc/ip_allow.yaml", allow)?;
    let layout = site.write("runroot.yaml", include_str!("config/runroot.yaml"))?;
    let mut command = Command::new(site.program);
    command.env("TS_RUNROOT", layout);
    Ok(command)
}
