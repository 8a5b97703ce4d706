//! A server's start.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::product::Configure;
use super::site::{Site, Task};
use crate::process::Process;
use crate::tcp::free_port;

/// How long a server may take to answer its first client.
const LONGEST_START: Duration = Duration::from_secs(20);

/// A server that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Where it listens: a free port of 127.0.0.1.
    pub address: SocketAddr,
    /// The server's first process.
    pub process: Process,
}

impl Running {
    /// Starts `program` in `directory`, with a last change to its command, and waits until
    /// `is_ready` succeeds. The error says why it does not, with the server's last words.
    pub fn start(
        program: &Path,
        configure: Configure,
        directory: &Path,
        task: &Task<'_>,
        prepare: impl FnOnce(&mut Command),
        is_ready: impl FnMut(SocketAddr) -> Result<(), String>,
    ) -> Result<Self, String> {
        let spawn = || -> io::Result<Self> {
            fs::create_dir_all(directory)?;
            let address = free_port()?.local_addr()?;
            let mut command = configure(&Site {
                program,
                directory,
                listen: address,
                task,
            })?;
            prepare(&mut command);
            let process = Process::try_spawn(&mut command, Stdio::null())?;
            Ok(Self { address, process })
        };
        let mut running = spawn().map_err(|error| error.to_string())?;
        running.wait(is_ready)?;
        Ok(running)
    }

    fn wait(
        &mut self,
        mut is_ready: impl FnMut(SocketAddr) -> Result<(), String>,
    ) -> Result<(), String> {
        let start = Instant::now();
        while let Err(failure) = is_ready(self.address) {
            let problem = match self.process.ended() {
                Some(status) => format!("it ended with {status}"),
                None if start.elapsed() > LONGEST_START => failure,
                None => {
                    thread::sleep(Duration::from_millis(20));
                    continue;
                }
            };
            return Err(format!("{problem}: {}", self.process.last_words()));
        }
        Ok(())
    }
}
