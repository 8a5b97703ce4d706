//! Starts terminators and talks to them. Arguments are words between spaces: no path has a space.

pub(crate) mod authority;
pub(crate) mod client;
pub(crate) mod keys;
pub(crate) mod ran;
pub(crate) mod told;
pub(crate) mod wire;

use std::env;
use std::fmt::Display;
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Stdio};
use std::time::SystemTime;

#[allow(unused_imports, reason = "the soak makes no secret")]
pub(crate) use rekindle_test_servers::ticket_secret;
pub(crate) use rekindle_test_servers::{DEADLINE, Files, connect, eventually, hex};
use rekindle_test_servers::{Printed, Process, Signal, s_client, s_client_get, skipped};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use ureq::Agent;

/// Each way to resume: words for `s_client`, and `--tickets`.
#[allow(dead_code, reason = "the soak has its own clients")]
pub(crate) const KINDS: [(&str, &str); 4] = [
    ("-tls1_2 -no_ticket", "on"),
    ("-tls1_2", "on"),
    ("-tls1_3", "on"),
    ("-tls1_3", "off"),
];

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_rekindle-terminator");

/// A running terminator on free ports of loopback. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Terminator {
    process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Terminator {
    /// The demo, with `words` in addition.
    pub(crate) fn demo(words: &str) -> Self {
        Self::start(&format!("--demo {words}"))
    }

    /// A proxy to `upstream`, with a certificate from `files`.
    pub(crate) fn proxy(upstream: impl Display, files: &Files, words: &str) -> Self {
        Self::spawn(proxy(upstream, files, words))
    }

    /// With these words and free ports.
    pub(crate) fn start(words: &str) -> Self {
        Self::spawn(with_ports(words))
    }

    /// Connects with `openssl s_client`, and hangs up when the handshake is done.
    pub(crate) fn s_client(&self, words: &str) -> Printed {
        s_client(self.address, words)
    }

    /// Connects with `openssl s_client`, and asks the demo how the handshake was.
    pub(crate) fn get(&self, words: &str) -> Printed {
        s_client_get(self.address, words)
    }

    pub(crate) fn spawn(command: Command) -> Self {
        Self::spawn_with(command, Stdio::null())
    }

    /// With that as its standard input.
    pub(crate) fn spawn_with(mut command: Command, stdin: Stdio) -> Self {
        if !command.get_envs().any(|(name, _)| name == "RUST_LOG") {
            command.env("RUST_LOG", "rekindle=debug");
        }
        let process = Process::spawn(&mut command, stdin);
        let versions = process.wait_for("rekindle-terminator ");
        assert!(
            versions.ends_with(openssl::version::version()),
            "{versions}"
        );
        let announced = |what: &str| {
            let line = process.wait_for(what);
            let address = line.strip_prefix(what).map(str::parse);
            match address {
                Some(Ok(address)) => address,
                _ => panic!("expected `{what}ADDR`, got {line:?}"),
            }
        };
        Self {
            admin: announced("admin on "),
            address: announced("listening on "),
            process,
        }
    }

    #[allow(dead_code, reason = "the soak calls it")]
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// How many files it has open.
    pub(crate) fn open_files(&self) -> u64 {
        let folder = format!("/proc/{}/fd", self.process.id());
        fs::read_dir(folder).expect("the process lives").count() as u64
    }

    /// Bytes of memory that it alone holds. How much of a shared page counts would change whenever
    /// the terminator of another test begins or ends.
    pub(crate) fn memory(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.process.id());
        let sums = fs::read_to_string(path).expect("the process lives");
        let own = sums.lines().find_map(|line| line.strip_prefix("Pss_Anon:"));
        let kilobytes = own.and_then(|own| own.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kilobytes.expect("Linux 5.4 or later") * 1024
    }

    /// Sets its limit of open files. The hard limit stays that of this process.
    pub(crate) fn limit_open_files(&self, limit: u64) {
        let pid = Pid::from_raw(self.process.id() as i32);
        let limits = Rlimit {
            current: Some(limit),
            maximum: getrlimit(Resource::Nofile).maximum,
        };
        prlimit(pid, Resource::Nofile, limits).expect("within the hard limit");
    }

    pub(crate) fn thread_names(&self) -> String {
        let script = format!("cat /proc/{}/task/*/comm", self.process.id());
        let output = Command::new("sh").args(["-c", &script]).output();
        let names = output.expect("sh runs").stdout;
        String::from_utf8(names).expect("names are text")
    }

    /// SIGHUP, and waits until `done` is in the log once more than before.
    pub(crate) fn reload(&self, done: &str) {
        self.reload_after(|| (), done);
    }

    /// Changes files, sends SIGHUP, and waits until `done` is in the log once more than before:
    /// because of the signal or, on a slow machine, because the change was noticed first.
    pub(crate) fn reload_after(&self, change: impl FnOnce(), done: &str) {
        let lines = [done, "reload: done"];
        let before = lines.map(|line| self.logged(line));
        change();
        self.signal(Signal::HUP);
        for (line, before) in lines.into_iter().zip(before) {
            eventually(&format!("log line `{line}`"), || self.logged(line) > before);
        }
    }

    /// How many lines of the log contain `text`.
    pub(crate) fn logged(&self, text: &str) -> usize {
        let log = self.process.output();
        log.lines().filter(|line| line.contains(text)).count()
    }

    /// How many lines of the log that contain `text` an operator sees at the default level.
    pub(crate) fn warned(&self, text: &str) -> usize {
        let log = self.process.output();
        let warnings = log.lines().filter(|line| line.contains(" WARN "));
        warnings.filter(|line| line.contains(text)).count()
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        eventually(&format!("log line `{text}`"), || self.logged(text) > 0);
    }

    pub(crate) fn wait_for_exit(self) -> ExitStatus {
        self.process.wait_for_end().0
    }

    /// Status line and body of an admin page.
    pub(crate) fn admin(&self, path: &str) -> (String, String) {
        let (head, body) = self.admin_accepting(path, "*/*");
        (head.status, body)
    }

    /// The same for a client that sends `accept`, as curl sends `*/*`.
    pub(crate) fn admin_accepting(&self, path: &str, accept: &str) -> (Head, String) {
        http_get(self.admin, path, accept)
    }

    /// What the admin address answers to a POST with this token, status and body.
    pub(crate) fn post(&self, path: &str, token: &str) -> (String, String) {
        let url = format!("http://{}{path}", self.admin);
        let answer = agent()
            .post(url)
            .header("Authorization", format!("Bearer {token}"))
            .send_empty();
        let mut answer = answer.expect("an answer");
        let body = answer.body_mut().read_to_string().expect("text");
        (format!("{:?} {}", answer.version(), answer.status()), body)
    }

    /// The value of one series, written as in the metrics text; 0 if there is none.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let (_, text) = self.admin("/metrics");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().expect("an integer"))
    }

    pub(crate) fn wait_for_metric(&self, series: &str, value: u64) {
        eventually(&format!("{series} = {value}"), || {
            self.metric(series) == value
        });
    }
}

/// The command of [`Terminator::proxy`].
pub(crate) fn proxy(upstream: impl Display, files: &Files, words: &str) -> Command {
    let (cert, key) = (files.cert(), files.key());
    with_ports(&format!(
        "--upstream {upstream} --cert {cert} --key {key} {words}"
    ))
}

fn with_ports(words: &str) -> Command {
    let words = format!("--listen 127.0.0.1:0 --admin 127.0.0.1:0 {words}");
    let mut command = Command::new(BINARY);
    command.args(words.split_whitespace());
    command
}

/// The process that SIGUSR2 has started last.
#[allow(dead_code, reason = "the soak starts none")]
pub(crate) fn successor_of(terminator: &Terminator) -> Option<Pid> {
    let log = terminator.process.output();
    let mut lines = log.lines().rev();
    let line = lines.find(|line| line.contains("a successor is started"))?;
    let (_, pid) = line.rsplit_once("pid=")?;
    Pid::from_raw(pid.trim().parse().ok()?)
}

/// The series of handshakes of a protocol and a kind.
pub(crate) fn handshakes(protocol: &str, kind: &str) -> String {
    format!("rekindle_handshakes_total{{protocol=\"{protocol}\",kind=\"{kind}\"}}")
}

/// Whether `./check --quick` runs. Standard error says that `what` is skipped.
pub(crate) fn skipped_when_quick(what: &str) -> bool {
    let quick = env::var_os("REKINDLE_TIER").is_some_and(|tier| tier == "quick");
    if quick {
        skipped(&format!("{what} (in the quick tier)"));
    }
    quick
}

/// What comes before an answer's body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: String,
    pub(crate) content_type: String,
}

pub(crate) fn agent() -> Agent {
    let agent = Agent::config_builder().http_status_as_error(false);
    let agent = agent.proxy(None).timeout_global(Some(DEADLINE)).build();
    Agent::new_with_config(agent)
}

fn http_get(address: SocketAddr, path: &str, accept: &str) -> (Head, String) {
    let answer = agent().get(format!("http://{address}{path}"));
    let mut answer = (answer.header("Accept", accept).call()).expect("an answer");
    let body = answer.body_mut().read_to_string().expect("text");
    let content_type = answer.headers().get("content-type");
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let head = Head {
        status: format!("{:?} {}", answer.version(), answer.status()),
        content_type: content_type.expect("the body has a type").to_owned(),
    };
    (head, body)
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed();
    now.expect("it is after 1970").as_secs()
}

#[track_caller]
pub(crate) fn read(path: &str) -> Vec<u8> {
    fs::read(path).expect("it can be read")
}
