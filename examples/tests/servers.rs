//! Each example starts, resumes what `openssl s_client` offers, and ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

struct Server {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Server {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        let mut process = command
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The address behind the last word of the next line.
    fn address(&mut self) -> String {
        self.line().rsplit(' ').next().unwrap().to_owned()
    }

    fn signal(&self, signal: &str) {
        run(
            Command::new("kill").args(["-s", signal, &self.process.id().to_string()]),
            "",
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a program that must succeed has written.
fn run(command: &mut Command, input: &str) -> String {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    process
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes `cert.pem` and `key.pem`.
fn certificate(folder: &Path, name: &str) {
    let mut command = Command::new("openssl");
    let request = [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem",
    ];
    command
        .args(request)
        .args(["-out", "cert.pem", "-subj", &format!("/CN={name}")]);
    run(command.current_dir(folder), "");
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "first.example");
    folder
}

fn path(folder: &TempDir, file: &str) -> String {
    folder.path().join(file).to_str().unwrap().to_owned()
}

/// A visit that asks for the page, and offers a session (`-sess_in`) or keeps one (`-sess_out`).
fn visit(address: &str, version: &str, session: [&str; 2]) -> String {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", address, "-ign_eof", version])
        .args(session);
    run(&mut command, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// A full handshake with one server, whose ticket then resumes at another, or the same.
fn resumes(folder: &TempDir, first: &str, then: &str) {
    for version in ["-tls1_2", "-tls1_3"] {
        let session = path(folder, version);
        let page = visit(first, version, ["-sess_out", &session]);
        assert!(page.contains("resumed by: full_handshake"), "{page}");
        let page = visit(then, version, ["-sess_in", &session]);
        assert!(page.contains("resumed by: ticket"), "{page}");
    }
}

const ANY: &str = "127.0.0.1:0";

#[test]
fn openssl_server_resumes() {
    let folder = folder();
    let files = [path(&folder, "cert.pem"), path(&folder, "key.pem")];
    let program = env!("CARGO_BIN_EXE_openssl_server");
    let mut server = Server::start(program, &[ANY, &files[0], &files[1]]);
    let address = server.address();
    resumes(&folder, &address, &address);
}

#[test]
fn shared_ticket_keys_resume_each_others_tickets() {
    let folder = folder();
    let program = env!("CARGO_BIN_EXE_shared_ticket_keys");
    let secret = path(&folder, "secret");
    run(Command::new(program).arg(&secret), "");
    let files = [path(&folder, "cert.pem"), path(&folder, "key.pem")];
    // Two servers in one process, and another machine's.
    let mut here = Server::start(program, &[&secret, &files[0], &files[1], ANY, ANY]);
    let mut there = Server::start(program, &[&secret, &files[0], &files[1], ANY]);
    let addresses = [here.address(), here.address(), there.address()];
    resumes(&folder, &addresses[0], &addresses[1]);
    resumes(&folder, &addresses[1], &addresses[2]);
    resumes(&folder, &addresses[2], &addresses[0]);
}

#[test]
fn tokio_server_resumes_reloads_shows_metrics_and_drains() {
    let folder = folder();
    let files = [path(&folder, "cert.pem"), path(&folder, "key.pem")];
    let program = env!("CARGO_BIN_EXE_tokio_server");
    let mut server = Server::start(program, &[ANY, ANY, &files[0], &files[1]]);
    let (metrics, address) = (server.address(), server.address());
    resumes(&folder, &address, &address);

    let mut scrape = TcpStream::connect(metrics).unwrap();
    scrape.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut page = String::new();
    scrape.read_to_string(&mut page).unwrap();
    assert!(
        page.contains("rekindle_tickets_total{event=\"opened\"} 2\n"),
        "{page}"
    );

    // Sessions of before the reload resume after it.
    certificate(folder.path(), "second.example");
    server.signal("HUP");
    let full = || visit(&address, "-tls1_3", ["-sess_out", "/dev/null"]);
    let reloaded = (0..100).any(|_| full().contains("second.example"));
    assert!(reloaded, "still the old certificate");
    let page = visit(&address, "-tls1_2", ["-sess_in", &path(&folder, "-tls1_2")]);
    assert!(page.contains("resumed by: ticket"), "{page}");

    server.signal("TERM");
    assert_eq!(server.line(), "drained");
    assert!(server.process.wait().unwrap().success());
}
