//! Each server resumes in all four ways, however its connections end.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use openssl::ssl::{
    HandshakeError, Ssl, SslContext, SslMethod, SslSession, SslSessionCacheMode, SslStream,
    SslVerifyMode, SslVersion,
};
use rekindle_test_servers::{Files, Process, Visitor, connect, eventually, free_port, serve};
use socket2::SockRef;

/// How a client ends a connection.
#[derive(Clone, Copy, Debug)]
enum End {
    CloseNotify,
    Fin,
    Reset,
}

/// A client that keeps the last session it was given.
struct Client {
    context: SslContext,
    given: mpsc::Receiver<SslSession>,
    session: Cell<Option<SslSession>>,
}

impl Client {
    fn new(version: SslVersion) -> Self {
        let mut builder = SslContext::builder(SslMethod::tls_client()).unwrap();
        builder.set_verify(SslVerifyMode::NONE);
        builder.set_min_proto_version(Some(version)).unwrap();
        builder.set_max_proto_version(Some(version)).unwrap();
        builder
            .set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        let (give, given) = mpsc::channel();
        builder.set_new_session_callback(move |_, session| give.send(session).unwrap());
        Self {
            context: builder.build(),
            given,
            session: Cell::default(),
        }
    }

    /// Requests a page, and ends the connection, which the server would keep. Whether it resumed.
    fn visit(&self, address: SocketAddr, end: End) -> bool {
        let mut ssl = Ssl::new(&self.context).unwrap();
        if let Some(session) = self.session.take() {
            // A copy: OpenSSL marks one of a connection that just ends as used up.
            let copy = SslSession::from_der(&session.to_der().unwrap()).unwrap();
            // SAFETY: it came from a connection of this context.
            unsafe { ssl.set_session(&copy).unwrap() };
            self.session.set(Some(session));
        }
        let mut stream = shake_hands(ssl, connect(address));
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        // Each server's page is one line.
        while !answer.ends_with(b"\n") || answer.ends_with(b"\r\n") {
            let mut part = [0; 1024];
            let length = stream.read(&mut part).unwrap();
            assert!(length > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend(&part[..length]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        let newest = self.given.try_iter().last();
        self.session.set(newest.or(self.session.take()));
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
}

fn shake_hands(ssl: Ssl, tcp: TcpStream) -> SslStream<TcpStream> {
    ssl.connect(tcp).unwrap_or_else(|error| match error {
        HandshakeError::Failure(stream) => panic!("{}", stream.error()),
        error => panic!("{error}"),
    })
}

fn start(program: &str, files: &Files, tickets: &str) -> (Process, SocketAddr) {
    let upstream = serve(|mut tcp| {
        while tcp.read(&mut [0; 4096])? > 0 {
            tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npingora\n")?;
        }
        Ok(())
    });
    let address = free_port().unwrap().local_addr().unwrap();
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
                let client = Client::new(version);
                assert!(!client.visit(address, end));
                let resumed = [(); 4].map(|()| client.visit(address, end));
                assert_eq!(resumed, [true; 4], "{word}, tickets {tickets}, {end:?}");
            }
            let visitor = Visitor::new(word);
            visitor.visit(address).expect_reused([false]);
            for _ in 0..4 {
                visitor.come_back(address).expect_reused([true]);
            }
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
