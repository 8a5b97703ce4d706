//! A Redis or Valkey server, in a folder of its own and on a free port.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::Process;
use crate::skipped::skipped;
use crate::tcp::free_address;
use crate::wait::eventually;

/// Names the program in the place of `redis-server`: its words, with spaces between.
const PROGRAM: &str = "REKINDLE_REDIS_SERVER";

/// A Redis or Valkey server. It ends when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    process: Option<Process>,
}

impl RedisServer {
    /// Whether there is one to start. If not, standard error says that `what` is skipped.
    pub fn is_installed(what: &str) -> bool {
        let version = command().arg("--version").output();
        let is_there = version.is_ok_and(|output| output.status.success());
        if !is_there {
            skipped(&format!("{what} (Debian: redis-server)"));
        }
        is_there
    }

    /// An empty one.
    #[track_caller]
    pub fn start() -> Self {
        Self::with("")
    }

    /// With further arguments, with spaces between.
    #[track_caller]
    pub fn with(arguments: &str) -> Self {
        Self::prepared(|_, _| arguments.split_whitespace().map(str::to_owned).collect())
    }

    /// With arguments that say where files are in its folder, or its port.
    #[track_caller]
    pub fn prepared(prepare: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let port = free_address().port();
        let mut server = Self {
            port,
            arguments: prepare(folder.path(), port),
            folder,
            process: None,
        };
        server.restart();
        server
    }

    /// Starts it anew, without what it had.
    #[track_caller]
    pub fn restart(&mut self) {
        self.process = None;
        let mut command = command();
        command.current_dir(self.folder.path());
        command.args(["--bind", "127.0.0.1", "--save", "", "--port"]);
        command.arg(self.port.to_string()).args(&self.arguments);
        let process = Process::spawn(&mut command, Stdio::null());
        process.wait_for("Ready to accept connections");
        self.process = Some(process);
    }

    /// Kills it; [`restart`](Self::restart) starts it again.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Has it do nothing until it [thaws](Self::thaw).
    pub fn freeze(&self) {
        self.process().signal(Signal::STOP);
    }

    /// Has it go on.
    pub fn thaw(&self) {
        self.process().signal(Signal::CONT);
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its answer to a command, as `redis-cli` prints it.
    pub fn ask(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let mut command = Command::new("redis-cli");
        let output = command.args(["-p", &port]).args(words).output();
        let output = output.expect("redis-cli comes with the server");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits until its answer to a command contains some text.
    #[track_caller]
    pub fn wait_for(&self, words: &[&str], text: &str) {
        eventually(&format!("{text} from {words:?}"), || {
            self.ask(words).contains(text)
        });
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }
}

fn command() -> Command {
    let program = env::var(PROGRAM).unwrap_or_else(|_| "redis-server".into());
    let mut words = program.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("redis-server"));
    command.args(words);
    command
}
