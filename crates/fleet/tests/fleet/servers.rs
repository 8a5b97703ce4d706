//! Real servers, each in a folder of its own and on a free port.

use std::path::Path;
use std::process::{Command, Stdio};

use rekindle_fleet::RedisStore;
use rekindle_test_servers::{Process, Signal, eventually, free_port};
use tempfile::TempDir;

/// A Redis or Valkey server.
pub(crate) struct Server {
    pub(crate) port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    process: Option<Process>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self::prepared(|_, _| {
            arguments
                .iter()
                .map(|argument| (*argument).into())
                .collect()
        })
    }

    pub(crate) fn cluster_node() -> Self {
        // Half a second without an answer, and a node is taken to be away.
        let words = "--cluster-enabled yes --cluster-node-timeout 500";
        let words: Vec<_> = words.split(' ').collect();
        Self::with(&words)
    }

    /// With arguments that say where files are in its folder, or its port.
    pub(crate) fn prepared(prepare: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let listener = free_port().and_then(|listener| listener.local_addr());
        let port = listener.expect("a port").port();
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
    pub(crate) fn restart(&mut self) {
        self.process = None;
        let mut command = Command::new("redis-server");
        command.current_dir(self.folder.path());
        command.args([
            "--port",
            &self.port.to_string(),
            "--save",
            "",
            "--bind",
            "127.0.0.1",
        ]);
        command.args(&self.arguments);
        let process = Process::spawn(&mut command, Stdio::null());
        process.wait_for("Ready to accept connections");
        self.process = Some(process);
    }

    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    pub(crate) fn freeze(&self) {
        self.process.as_ref().expect("it runs").signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.process.as_ref().expect("it runs").signal(Signal::CONT);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn store(&self) -> RedisStore {
        RedisStore::new(&self.url()).expect("an address")
    }

    /// What `redis-cli` prints.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        let output = command
            .args(["-p", &self.port.to_string()])
            .args(words)
            .output();
        let output = output.expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits for an answer.
    #[track_caller]
    pub(crate) fn waits_for(&self, words: &[&str], answer: &str) {
        eventually(&format!("{words:?}: {answer}"), || {
            self.ask(words).contains(answer)
        });
    }
}
