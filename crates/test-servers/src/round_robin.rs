//! HAProxy in front of several servers, which it takes turns with.

use std::fmt::Write;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use crate::files::Files;
use crate::process::Process;
use crate::server::HAPROXY;
use crate::tcp::free_port;
use crate::wait::eventually;

/// HAProxy, which forwards TCP: each connection to the next server.
#[derive(Debug)]
pub struct RoundRobin {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Process,
    _files: Files,
}

impl RoundRobin {
    /// Before these servers. None, and standard error says so, if HAProxy is not installed.
    #[must_use]
    pub fn start(servers: &[SocketAddr]) -> Option<Self> {
        let Some(program) = HAPROXY.find() else {
            // Past the test harness, which shows no output of a test that passes.
            let _ = writeln!(io::stderr(), "SKIPPED: {} is not installed", HAPROXY.name);
            return None;
        };
        let address = free_port().and_then(|port| port.local_addr());
        let address = address.expect("a free port");
        let mut configuration = format!(
            "defaults\n mode tcp\n timeout connect 60s\n timeout client 60s\n \
             timeout server 60s\nlisten all\n bind {address}\n balance roundrobin\n"
        );
        for (number, server) in servers.iter().enumerate() {
            let _ = writeln!(configuration, " server s{number} {server}");
        }
        let files = Files::new();
        files.replace("haproxy.cfg", configuration.as_bytes());
        let mut command = Command::new(program);
        command.args(["-db", "-f"]).arg(files.path("haproxy.cfg"));
        let process = Process::spawn(&mut command, Stdio::null());
        eventually(HAPROXY.name, || TcpStream::connect(address).is_ok());
        Some(Self {
            address,
            _process: process,
            _files: files,
        })
    }
}
