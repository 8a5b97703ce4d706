//! Prometheus, as Debian has it, beside running terminators.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use rekindle_test_servers::{Process, free_address, skipped};
use serde_json::Value;

use crate::common::{Files, agent, eventually};

/// A Prometheus that scrapes each second. Killed when dropped.
#[derive(Debug)]
pub(super) struct Prometheus {
    address: SocketAddr,
    _process: Process,
    _files: Files,
}

impl Prometheus {
    /// With the rules of a file, and a job `rekindle-terminator` with these targets. None if it is
    /// not installed.
    pub(super) fn start(rules: &Path, targets: &[SocketAddr]) -> Option<Self> {
        let files = Files::new();
        let targets: Vec<_> = targets.iter().map(|target| format!("'{target}'")).collect();
        let configuration = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: ['{}']\n\
             scrape_configs:\n\
             - job_name: rekindle-terminator\n  static_configs: [{{ targets: [{}] }}]\n",
            rules.display(),
            targets.join(", ")
        );
        files.replace("prometheus.yml", configuration.as_bytes());
        let address = free_address();
        let mut command = Command::new("prometheus");
        command.args([
            format!("--config.file={}", files.text("prometheus.yml")),
            format!("--storage.tsdb.path={}", files.text("data")),
            format!("--web.listen-address={address}"),
        ]);
        let Ok(process) = Process::try_spawn(&mut command, Stdio::null()) else {
            skipped("tests with Prometheus");
            return None;
        };
        process.wait_for("Server is ready to receive web requests");
        Some(Self {
            address,
            _process: process,
            _files: files,
        })
    }

    /// What is in the `data` of the API's answer. It must be no error.
    #[track_caller]
    pub(super) fn ask(&self, path: &str, parameter: (&str, &str)) -> Value {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let answer = agent().get(url).query(parameter.0, parameter.1).call();
        let body = answer.expect("an answer").body_mut().read_to_string();
        let mut answer: Value = serde_json::from_str(&body.expect("text")).expect("JSON");
        assert_eq!(answer["status"], "success", "{parameter:?}: {answer}");
        answer["data"].take()
    }

    /// The results of an instant query, as soon as there are some.
    #[track_caller]
    pub(super) fn results(&self, query: &str) -> Vec<Value> {
        let mut results = Vec::new();
        eventually(&format!("a result of {query}"), || {
            let data = self.ask("query", ("query", query));
            results = data["result"].as_array().cloned().unwrap_or_default();
            !results.is_empty()
        });
        results
    }
}
