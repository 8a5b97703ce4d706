//! Each server resumes in all four ways, however its connections end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use openssl::ssl::SslVersion;
use rekindle_test_servers::{Files, Process, TlsClient, Visitor, eventually, free_address, serve};
use socket2::SockRef;

/// How a client ends a connection.
#[derive(Clone, Copy, Debug)]
enum End {
    CloseNotify,
    Fin,
    Reset,
}

/// Requests a page, and ends the connection, which the server would keep. Whether it resumed.
fn visit(client: &TlsClient, address: SocketAddr, end: End) -> bool {
    let mut stream = client.connect(address);
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    // Each server's page is one line.
    while !answer.ends_with(b"\n") || answer.ends_with(b"\r\n") {
        let mut part = [0; 1024];
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend(&part[..length]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    match end {
        End::CloseNotify => drop(stream.shutdown()),
        End::Fin => {}
        End::Reset => {
            let tcp = SockRef::from(stream.get_ref());
            tcp.set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
    stream.ssl().session_reused()
}

fn start(program: &str, files: &Files, tickets: &str) -> (Process, SocketAddr) {
    let upstream = serve(|mut tcp| {
        while tcp.read(&mut [0; 4096])? > 0 {
            tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npingora\n")?;
        }
        Ok(())
    });
    let address = free_address();
    let mut command = Command::new(program);
    command.arg(address.to_string());
    command.args([files.cert(), files.key(), tickets.to_owned()]);
    command.env("UPSTREAM", upstream.to_string());
    let process = Process::spawn(&mut command, Stdio::null());
    eventually("the server listens", || TcpStream::connect(address).is_ok());
    (process, address)
}

#[track_caller]
fn resumes(program: &str) {
    let files = Files::with_certificate("localhost");
    for tickets in ["on", "off"] {
        let (_process, address) = start(program, &files, tickets);
        for (version, word) in [
            (SslVersion::TLS1_2, "-tls1_2"),
            (SslVersion::TLS1_3, "-tls1_3"),
        ] {
            for end in [End::CloseNotify, End::Fin, End::Reset] {
                let client = TlsClient::new(version);
                assert!(!visit(&client, address, end));
                let resumed = [(); 4].map(|()| visit(&client, address, end));
                assert_eq!(resumed, [true; 4], "{word}, tickets {tickets}, {end:?}");
            }
            let visitor = Visitor::new(word);
            visitor.visit(address).expect_reused([false]);
            // From the store of rustls a session of TLS 1.3 comes once.
            let once = program.ends_with("_rustls") && word == "-tls1_3" && tickets == "off";
            for _ in 0..if once { 1 } else { 4 } {
                visitor.come_back(address).expect_reused([true]);
            }
            visitor.come_back(address).expect_reused([!once]);
        }
    }
}

#[test]
fn hyper() {
    resumes(env!("CARGO_BIN_EXE_hyper"));
}

#[test]
fn axum_server() {
    resumes(env!("CARGO_BIN_EXE_axum_server"));
}

#[test]
fn actix() {
    resumes(env!("CARGO_BIN_EXE_actix"));
}

#[test]
fn pingora() {
    resumes(env!("CARGO_BIN_EXE_pingora"));
}

#[test]
fn hyper_on_rustls() {
    resumes(env!("CARGO_BIN_EXE_hyper_rustls"));
}

#[test]
fn axum_server_on_rustls() {
    resumes(env!("CARGO_BIN_EXE_axum_server_rustls"));
}

#[test]
fn actix_on_rustls() {
    resumes(env!("CARGO_BIN_EXE_actix_rustls"));
}
