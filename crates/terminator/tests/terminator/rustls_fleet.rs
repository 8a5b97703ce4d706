//! A fleet of two rustls servers and a terminator with one secret: each library's tickets open on
//! its own machines, never on the other's, and count as what they are there.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use rekindle::rustls::{Resumption, Scope};
use rekindle_key_files::parse_secret;
use rekindle_test_servers::{Files, Visitor};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::common::{Terminator, ticket_secret};

const SECRET: &str = "secret";

struct RustlsServer {
    address: SocketAddr,
    resumption: Resumption,
}

impl RustlsServer {
    /// With tickets alone, under the secret of the file; it answers each request until the process
    /// ends.
    fn start(files: &Files) -> Self {
        let secret = parse_secret(ticket_file(files).as_bytes()).unwrap().secret;
        let resumption = Resumption::builder().ticket_secret(secret).build().unwrap();
        let config = ServerConfig::builder_with_provider(default_provider().into());
        let config = config.with_safe_default_protocol_versions().unwrap();
        let chain = CertificateDer::pem_file_iter(files.cert()).unwrap();
        let key = PrivateKeyDer::from_pem_file(files.key()).unwrap();
        let config = config.with_no_client_auth();
        let mut config = config
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        config.ticketer = resumption.ticketer(&Scope::new("fleet"));
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let server = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(server, stream.unwrap());
                // What a client does is not this server's fault.
                let _ = stream.read(&mut [0; 1_024]);
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        Self {
            address,
            resumption,
        }
    }
}

fn ticket_file(files: &Files) -> String {
    fs::read_to_string(files.text(SECRET)).unwrap()
}

#[test]
fn each_librarys_tickets_open_on_its_own_machines() {
    let files = Files::with_certificate("fleet.example");
    files.replace(SECRET, ticket_secret(3_600).as_bytes());
    let terminator = Terminator::demo(&format!("--ticket-secret {}", files.text(SECRET)));
    let servers = [(); 2].map(|()| RustlsServer::start(&files));
    let [one, other] = servers.each_ref().map(|server| server.address);
    for (number, version) in (1..).zip(["-tls1_2", "-tls1_3"]) {
        let client = Visitor::new(version);
        client.visit(one).expect_reused([false]);
        client.come_back(other).expect_reused([true]);
        client.come_back(terminator.address).expect_reused([false]);
        let unknown = "rekindle_tickets_total{event=\"unknown_key\"}";
        assert_eq!(terminator.metric(unknown), number);

        let client = Visitor::new(version);
        client.visit(terminator.address).expect_reused([false]);
        client.come_back(one).expect_reused([false]);
        assert_eq!(servers[0].resumption.ticket_stats().malformed, number);
        client.come_back(terminator.address).expect_reused([true]);
    }
    assert_eq!(servers[1].resumption.ticket_stats().opened, 2);
}
