//! The example `early_data` takes early data of OpenSSL's, GnuTLS's and rustls's clients: a GET
//! goes on to the server behind it, marked as early, and a POST is too early.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use rekindle::rustls::rustls::pki_types::pem::PemObject;
use rekindle::rustls::rustls::pki_types::{CertificateDer, ServerName};
use rekindle::rustls::rustls::{self, ClientConfig, ClientConnection, RootCertStore};
use rekindle_test_servers::{Files, Process, bounded, converse, skipped};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: first.example\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: first.example\r\nContent-Length: 0\r\n\r\n";

/// A server whose answer is the head of the request.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            while lines.read_line(&mut head).unwrap() > 2 {}
            let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{head}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

struct Server {
    files: Files,
    process: Process,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let files = Files::with_leaf_certificate("first.example");
        let (cert, key) = (files.cert(), files.key());
        let mut server = Command::new(env!("CARGO_BIN_EXE_early_data"));
        server.args(["127.0.0.1:0", &cert, &key, &upstream().to_string()]);
        let process = Process::spawn(&mut server, Stdio::null());
        let listening = process.wait_for("listening on");
        let address = listening.rsplit(' ').next().unwrap().parse().unwrap();
        files.replace("get", GET);
        files.replace("post", POST);
        Self {
            files,
            process,
            address,
        }
    }

    /// Waits until its statistics say so.
    fn wait_for(&self, what: &str) {
        self.process.wait_for(what);
    }
}

#[test]
fn of_openssl() {
    let server = Server::start();
    let (session, at) = (server.files.text("session"), server.address);
    let s_client = |arguments: &str| {
        let client = format!("openssl s_client -connect {at} -ign_eof {arguments}");
        converse(&mut bounded(&client), b"").0
    };
    let visit = |request| {
        let client = format!("openssl s_client -connect {at} -ign_eof -sess_out {session}");
        converse(&mut bounded(&client), request).0
    };
    let page = visit(GET);
    assert!(page.contains("GET / HTTP/1.1"), "{page}");
    assert!(!page.contains("Early-Data"), "{page}");

    let get = server.files.text("get");
    let page = s_client(&format!("-sess_in {session} -early_data {get}"));
    assert!(page.contains("Early data was accepted"), "{page}");
    assert!(page.contains("Early-Data: 1"), "{page}");
    server.wait_for("accepted: 1");

    visit(GET);
    let post = server.files.text("post");
    let page = s_client(&format!("-sess_in {session} -early_data {post}"));
    assert!(page.contains("Early data was accepted"), "{page}");
    assert!(page.contains("425 Too Early"), "{page}");

    // So is one that has another request behind it.
    visit(GET);
    server.files.replace("two", &[GET, POST].concat());
    let two = server.files.text("two");
    let page = s_client(&format!("-sess_in {session} -early_data {two}"));
    assert!(page.contains("425 Too Early"), "{page}");

    // Through a HelloRetryRequest it is refused, and the request comes again after the handshake.
    visit(GET);
    let client = format!(
        "openssl s_client -connect {at} -ign_eof -sess_in {session} -early_data {get} \
         -groups P-521:X25519"
    );
    let page = converse(&mut bounded(&client), GET).0;
    assert!(page.contains("Early data was rejected"), "{page}");
    assert!(
        page.contains("GET / HTTP/1.1") && !page.contains("Early-Data: 1"),
        "{page}"
    );
    server.wait_for("retried: 1");
}

#[test]
fn of_gnutls() {
    if Command::new("gnutls-cli").arg("--help").output().is_err() {
        return skipped("gnutls-cli (Debian: gnutls-bin)");
    }
    let server = Server::start();
    let get = server.files.text("get");
    let port = server.address.port();
    let client = format!(
        "gnutls-cli --insecure --resume --waitresumption --earlydata {get} --port {port} 127.0.0.1"
    );
    let page = converse(&mut bounded(&client), GET).0;
    assert!(page.contains("Early-Data: 1"), "{page}");
    server.wait_for("accepted: 1");
}

#[test]
fn of_rustls() {
    let server = Server::start();
    let mut roots = RootCertStore::empty();
    // A self-signed certificate is its own issuer.
    let certificate = CertificateDer::from_pem_file(server.files.cert()).unwrap();
    roots.add(certificate).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into());
    let config = config
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.enable_early_data = true;
    let config = Arc::new(config);
    let visit = |early: bool| {
        let name = ServerName::try_from("first.example").unwrap();
        let mut client = ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut tcp = TcpStream::connect(server.address).unwrap();
        let sends = client.early_data();
        assert_eq!(sends.is_some(), early);
        match sends {
            Some(mut early) => early.write_all(GET).unwrap(),
            None => client.writer().write_all(GET).unwrap(),
        }
        let mut page = String::new();
        let mut stream = rustls::Stream::new(&mut client, &mut tcp);
        stream.read_to_string(&mut page).unwrap();
        (client.is_early_data_accepted(), page)
    };
    let (_, page) = visit(false);
    assert!(
        page.contains("GET / HTTP/1.1") && !page.contains("Early-Data"),
        "{page}"
    );
    let (accepted, page) = visit(true);
    assert!(accepted && page.contains("Early-Data: 1"), "{page}");
    server.wait_for("accepted: 1");
}
