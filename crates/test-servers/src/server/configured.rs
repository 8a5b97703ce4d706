//! A server with a configuration of the test's own.

use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use super::product::{HAPROXY, Product};
use crate::files::Files;
use crate::process::Process;
use crate::skipped::skipped;
use crate::tcp::free_address;
use crate::wait::eventually;

/// A server that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Configured {
    /// Where it listens: a free port of 127.0.0.1.
    pub address: SocketAddr,
    /// Its files.
    pub files: Files,
    _process: Process,
}

impl Configured {
    /// Starts it. None, and standard error says so, if it is not installed. `arguments` come before
    /// the configuration's file. In `configuration`, `{listen}` is its address, `{directory}` a
    /// place for its files and `{both}` a certificate with its key.
    #[must_use]
    pub fn start(product: &Product, arguments: &[&str], configuration: &str) -> Option<Self> {
        let Some(program) = product.find() else {
            skipped(&format!("{} is not installed", product.name));
            return None;
        };
        let files = Files::with_certificate("peer");
        let address = free_address();
        let both = [files.cert(), files.key()].map(|path| fs::read(path).expect("a file"));
        files.replace("both.pem", &both.concat());
        let configuration = configuration
            .replace("{listen}", &address.to_string())
            .replace("{directory}", &files.directory().display().to_string())
            .replace("{both}", &files.text("both.pem"));
        files.replace("peer.conf", configuration.as_bytes());
        let mut command = Command::new(program);
        command.args(arguments).arg(files.path("peer.conf"));
        let process = Process::spawn(&mut command, Stdio::null());
        eventually(product.name, || TcpStream::connect(address).is_ok());
        Some(Self {
            address,
            files,
            _process: process,
        })
    }

    /// HAProxy with one section, which waits long for its peers.
    #[must_use]
    pub fn haproxy(section: &str) -> Option<Self> {
        let defaults = "defaults\n timeout connect 60s\n timeout client 60s\n timeout server 60s\n";
        Self::start(&HAPROXY, &["-db", "-f"], &format!("{defaults}{section}\n"))
    }

    /// HAProxy, which forwards TCP: each connection to the next of the servers.
    #[must_use]
    pub fn round_robin(servers: &[SocketAddr]) -> Option<Self> {
        let mut section = "listen all\n mode tcp\n bind {listen}\n balance roundrobin".to_owned();
        for (number, server) in servers.iter().enumerate() {
            let _ = write!(section, "\n server s{number} {server}");
        }
        Self::haproxy(&section)
    }
}
