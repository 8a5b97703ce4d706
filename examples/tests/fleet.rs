//! Two servers of the example `fleet` behind HAProxy: a client resumes, wherever it comes back.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use rekindle_test_servers::{Configured, Files, Process, RedisServer, Signal, Visitor, eventually};

/// Runs a program, and waits for the address that it prints.
fn start(store: &RedisServer, files: &Files) -> (Process, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
    command.args([store.url(), files.text("secret"), files.cert(), files.key()]);
    command.arg("127.0.0.1:0");
    let server = Process::spawn(&mut command, Stdio::null());
    let line = server.wait_for("listening on ");
    let address = line.rsplit(' ').next().and_then(|word| word.parse().ok());
    (server, address.expect("an address"))
}

#[test]
fn a_client_resumes_on_both_servers() {
    if !RedisServer::is_installed("servers that share sessions") {
        return;
    }
    let store = RedisServer::start();
    let files = Files::with_certificate("fleet.example");
    let mut make = Command::new(env!("CARGO_BIN_EXE_shared_ticket_keys"));
    make.arg(files.text("secret"));
    let made = Process::spawn(&mut make, Stdio::null()).wait_for_end();
    assert!(made.0.success(), "{}", made.1);
    let servers = [(); 2].map(|()| start(&store, &files));
    let Some(balancer) = Configured::round_robin(&servers.each_ref().map(|(_, address)| *address))
    else {
        return;
    };
    for (version, how) in [("-tls1_2", "session_id"), ("-tls1_3", "stateful_ticket")] {
        let client = Visitor::new(version);
        let page = client.visit(balancer.address).0;
        assert!(page.contains("resumed by: full_handshake"), "{page}");
        let resumes = || client.come_back(balancer.address).pages("resumed by") == [how];
        // Once the store has it. A miss goes to one server: the next visit, to the other one.
        eventually("the session can be fetched", || resumes() && resumes());
        assert!((0..6).all(|_| resumes()), "{version}");
    }
    for (server, _) in servers {
        server.signal(Signal::TERM);
        assert!(server.wait_for_end().0.success());
    }
}
