//! Starts the terminator, and changes its files each second.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rekindle_test_servers::Signal;

use crate::common::keys::run_keys;
use crate::common::{BINARY, Files, Terminator};
use crate::upstream::UPSTREAMS;

/// The names that there are certificates for.
pub(crate) const NAMES: [&str; 2] = ["one.example", "two.example"];

/// The least that reloads set; they add a second.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// SIGHUPs between two rotations.
const ROTATION: u64 = 5;
/// A key opens for two rotations at least after the one that took its place has begun to seal.
const KEYS: usize = 4;
const KEY_FORMAT: &str = "haproxy-48";
/// The age up to which every session resumes: reloads, renewed certificates and rotations end none.
/// The rest is for the time that a reload takes.
pub(crate) const SURE_TO_RESUME: Duration = Duration::from_secs(2 * ROTATION - 2);

pub(crate) struct Operator {
    pub(crate) terminator: Terminator,
    pub(crate) reloads: u64,
    pub(crate) broken: u64,
    pub(crate) rotations: u64,
    files: Files,
    /// Two for each name.
    certificates: [[Files; 2]; 2],
    upstreams: Vec<SocketAddr>,
}

impl Operator {
    pub(crate) fn start(upstreams: &[SocketAddr]) -> Self {
        let files = Files::new();
        let certificates = NAMES.map(|name| [(); 2].map(|()| Files::with_leaf_certificate(name)));
        let keys = files.text("ticket.keys");
        run_keys(&format!(
            "generate --format {KEY_FORMAT} --count {KEYS} --out {keys}"
        ))
        .expect(0);
        write(&files, &certificates, upstreams, 0);
        let mut command = Command::new(BINARY);
        command
            .args(["--config", &files.text("soak.toml")])
            .env("RUST_LOG", "info");
        Self {
            terminator: Terminator::spawn(command),
            reloads: 0,
            broken: 0,
            rotations: 0,
            files,
            certificates,
            upstreams: upstreams.to_vec(),
        }
    }

    /// Works for so long. Returns the terminator's memory at each second: the pages that it holds,
    /// those that are swapped out included (`Pss` and `SwapPss`).
    pub(crate) fn work(&mut self, time: Duration) -> Vec<u64> {
        let begin = Instant::now();
        let mut memory = Vec::new();
        while begin.elapsed() < time {
            thread::sleep(Duration::from_secs(1));
            self.change();
            memory.push(self.terminator.process().memory());
        }
        memory
    }

    fn change(&mut self) {
        self.reloads += 1;
        let turn = self.reloads;
        write(&self.files, &self.certificates, &self.upstreams, turn);
        match turn % 10 {
            4 => self
                .files
                .replace("soak.toml", b"idle-timeout = \"soon\"\n"),
            8 => self
                .files
                .replace("0.cert.pem", b"-----BEGIN CERTIFICATE-----\n"),
            _ => {}
        }
        self.broken += u64::from(matches!(turn % 10, 4 | 8));
        if turn.is_multiple_of(ROTATION) {
            let keys = self.files.text("ticket.keys");
            run_keys(&format!(
                "rotate --format {KEY_FORMAT} --keep {KEYS} {keys}"
            ))
            .expect(0);
            self.rotations += 1;
        }
        self.terminator.signal(Signal::HUP);
    }

    pub(crate) fn wait_until_idle(&self) {
        self.terminator
            .wait_for_metric("rekindle_connections_active", 0);
    }

    /// That it tells of no panic, and of no error but those of the broken files; and that what was
    /// changed was read.
    pub(crate) fn check_log(&self) {
        let log = self.terminator.process().output();
        let is_bad = |line: &&str| {
            let expected = line.contains("reload failed, what was in use stays in use");
            line.contains("panicked") || (line.contains(" ERROR ") && !expected)
        };
        assert_eq!(
            log.lines().filter(is_bad).collect::<Vec<_>>(),
            Vec::<&str>::new()
        );
        for (of, result, least) in [
            ("configuration", "updated", self.reloads / 2),
            ("configuration", "failed", self.reloads / 15),
            ("certificate", "updated", self.reloads / 2),
            ("certificate", "failed", self.reloads / 15),
            ("ticket_keys", "updated", self.rotations),
        ] {
            let series = format!("rekindle_reloads_total{{of=\"{of}\",result=\"{result}\"}}");
            let reloads = self.terminator.metric(&series);
            assert!(reloads >= least, "{series} {reloads}, {least} at least");
        }
    }
}

/// The files of one turn: other certificates in each, other settings in every second one.
fn write(files: &Files, certificates: &[[Files; 2]; 2], upstreams: &[SocketAddr], turn: u64) {
    let odd = (turn % 2) as usize;
    let mut pairs = String::new();
    for (number, pair) in certificates.iter().enumerate() {
        let (cert, key) = (format!("{number}.cert.pem"), format!("{number}.key.pem"));
        let read = |path: String| fs::read(path).expect("it was made");
        files.replace(&cert, &read(pair[odd].cert()));
        files.replace(&key, &read(pair[odd].key()));
        pairs += &format!("[[certificate]]\ncert = \"{cert}\"\nkey = \"{key}\"\n");
    }
    let mut order: Vec<_> = upstreams.iter().map(SocketAddr::to_string).collect();
    order.rotate_left(turn as usize % UPSTREAMS);
    let alpn = ["http/1.1", "h2,http/1.1"][odd];
    let idle = IDLE_TIMEOUT.as_secs() + turn % 2;
    let handshake = HANDSHAKE_TIMEOUT.as_secs() + turn % 2;
    let settings = format!(
        "listen = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\nupstream = {order:?}\n\
         proxy-protocol-out = \"v2\"\nticket-keys = \"ticket.keys\"\n\
         ticket-keys-format = \"{KEY_FORMAT}\"\nalpn = [\"{alpn}\"]\nidle-timeout = {idle}\n\
         half-close-timeout = {idle}\nhandshake-timeout = {handshake}\n{pairs}"
    );
    files.replace("soak.toml", settings.as_bytes());
}
