//! How connections end, what becomes of their sessions, and what the server relays.

use std::io::{self, Read, Write};
use std::iter;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use rekindle_test_servers::{BlackHole, DEADLINE, Files, Process, Signal, connect, s_client};

use crate::clients::{bounded, converse, curl, gnutls_client, has_gnutls_cli};
use crate::server::{Server, program, program_of_two_addresses};

/// A timeout of the server, in seconds, that ends nothing while a test runs.
const PATIENT: &str = "-i 600";

/// A first visit, in TLS 1.2, by a client that then says nothing until it is killed or hung up on.
fn silent_client(address: SocketAddr, session: &str) -> Process {
    // Without `timeout`, which would be killed instead of the client.
    let mut s_client = Command::new("openssl");
    let line = format!("s_client -connect {address} -tls1_2 -sess_out {session}");
    let process = Process::spawn(s_client.args(line.split_whitespace()), Stdio::piped());
    process.wait_for("New, TLSv1.2");
    process.wait_for("Verify return code");
    process
}

/// Whether the client of `silent_client` is resumed when it comes back.
fn is_resumed(server: &Server, session: &str) -> bool {
    let printed = s_client(server.address, &format!("-tls1_2 -sess_in {session}"));
    assert_eq!(printed.reused().len(), 1, "{printed:?}");
    printed.reused()[0]
}

#[test]
fn a_client_that_hangs_up_without_close_notify_keeps_its_session() {
    // A single thread learns of the end of one connection before it accepts the next.
    let (server, files) = (Server::start("-n -j 1"), Files::new());
    let session = files.text("session");
    drop(silent_client(server.address, &session));
    assert!(is_resumed(&server, &session));
}

#[test]
fn a_client_that_is_silent_for_too_long_keeps_its_session() {
    let (server, files) = (Server::start("-n -i 1"), Files::new());
    let session = files.text("session");
    silent_client(server.address, &session).wait_for_end();
    assert!(is_resumed(&server, &session));
}

#[test]
fn a_handshake_has_to_come_to_its_end() {
    let server = Server::start("-i 1");
    let mut client = connect(server.address);
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the server hangs up");
}

#[test]
fn a_session_whose_connection_failed_is_gone() {
    let (server, files) = (Server::start("-n -v"), Files::new());
    let session = files.text("session");
    let (address, mut to_server) = middlebox(server.address);
    let client = silent_client(address, &session);
    // A record of application data that neither peer has sealed.
    let forged = [&[23, 3, 3, 0, 64][..], &[0; 64]].concat();
    to_server.write_all(&forged).unwrap();
    client.wait_for_end();
    server.process.wait_for("TLS failed: ");
    assert!(!is_resumed(&server, &session));
}

/// Relays one connection to a server. Returns its own address, and the stream to the server.
fn middlebox(server: SocketAddr) -> (SocketAddr, TcpStream) {
    let to_server = connect(server);
    let mut from_server = to_server.try_clone().unwrap();
    let mut onwards = to_server.try_clone().unwrap();
    let address = upstream(move |mut client| {
        let mut back = client.try_clone()?;
        thread::spawn(move || {
            io::copy(&mut from_server, &mut back)?;
            back.shutdown(Shutdown::Both)
        });
        io::copy(&mut client, &mut onwards).map(drop)
    });
    (address, to_server)
}

#[test]
fn bytes_are_relayed_both_ways_at_once() {
    // More than all buffers on the path hold: a relay that waits for one side gets stuck.
    const LENGTH: usize = 16 << 20;
    let lines = (0..LENGTH / 8).map(|n| format!("{n:07}\n"));
    let sent: String = lines.collect();
    for protocol in ["-tls1_2", "-tls1_3"] {
        let upstream = upstream(|mut tcp| {
            let mut echo = tcp.try_clone()?.take(LENGTH as u64);
            io::copy(&mut echo, &mut tcp).map(drop)
        });
        let server = relay(upstream);
        let line = format!(
            "openssl s_client -quiet {protocol} -connect {}",
            server.address
        );
        let printed = converse(&mut bounded(&line), sent.as_bytes());
        // The output begins with a few words about the certificate.
        let start = printed.0.find("0000000\n").expect("something came back");
        assert!(printed.0[start..] == *sent, "not what was sent");
    }
}

#[test]
fn the_end_of_a_request_is_passed_on() {
    if !has_gnutls_cli() {
        return;
    }
    let (sender, requests) = channel();
    let upstream = upstream(move |mut tcp| {
        let mut request = String::new();
        tcp.read_to_string(&mut request)?;
        sender.send(request).map_err(io::Error::other)
    });
    let server = relay(upstream);
    // At the end of its input it sends close_notify, and waits for the server's.
    let mut client = Process::spawn(&mut gnutls_client(&server, ""), Stdio::piped());
    client.take_stdin().write_all(b"hello\n").unwrap();
    let request = requests.recv_timeout(DEADLINE);
    assert_eq!(request.as_deref(), Ok("hello\n"));
    client.wait_for_end();
}

/// It stayed open once: after a close_notify OpenSSL reports a failed write as the end of input.
#[test]
fn a_client_that_has_gone_does_not_keep_its_upstream() {
    let (sender, ends) = channel();
    let upstream = upstream(move |mut tcp| {
        tcp.set_write_timeout(Some(DEADLINE))?;
        io::copy(&mut tcp, &mut io::sink())?;
        let end = io::copy(&mut io::repeat(0), &mut tcp);
        sender.send(end).map_err(io::Error::other)
    });
    let server = relay(upstream);
    s_client(server.address, "");
    let end = ends.recv_timeout(DEADLINE * 2).unwrap().unwrap_err();
    assert_ne!(end.kind(), io::ErrorKind::WouldBlock, "{end}");
}

#[test]
fn clients_wait_while_there_are_no_descriptors() {
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 32 && exec \"$0\" \"$@\""]);
    let server = Server::spawn(limited.arg(program()).args(["-j", "2", "-i", "2"]));
    let silent: Vec<TcpStream> = (0..40).map(|_| connect(server.address)).collect();
    server.process.wait_for("accept: Too many open files");
    assert_eq!(curl(&server, "", 1).pages("resumed"), ["no"]);
    drop(silent);
}

#[test]
fn an_upstream_that_is_down_costs_a_client_its_connection_and_no_more() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let (unused, files) = (upstream.local_addr().unwrap().to_string(), Files::new());
    drop(upstream);
    let server = Server::start(&format!("-n -u {unused}"));
    let session = files.text("session");
    let printed = s_client(server.address, &format!("-tls1_2 -sess_out {session}"));
    assert_eq!(printed.reused(), [false], "{printed:?}");
    server.process.wait_for(&format!("upstream {unused}: "));
    assert!(is_resumed(&server, &session));
}

/// The first address of its upstream swallowed packets once, and no client got further.
#[test]
fn an_address_that_swallows_packets_does_not_hide_the_next_one() {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let black_hole = BlackHole::new(any);
    let port = black_hole.address().port();
    let good = TcpListener::bind(("127.0.0.2", port)).unwrap();
    answers_at_the_second_address(port, good);
}

#[test]
fn an_address_that_refuses_is_followed_by_the_next_one() {
    let good = TcpListener::bind("127.0.0.2:0").unwrap();
    answers_at_the_second_address(good.local_addr().unwrap().port(), good);
}

fn answers_at_the_second_address(port: u16, good: TcpListener) {
    thread::spawn(move || {
        for mut tcp in good.incoming().map_while(Result::ok) {
            tcp.read_exact(&mut [0; 4])?;
            tcp.write_all(b"the answer\n")?;
            // Closing with unread bytes would be a reset, and a line in the log.
            tcp.shutdown(Shutdown::Write)?;
            tcp.read_to_end(&mut Vec::new())?;
        }
        io::Result::Ok(())
    });
    let words = format!("{PATIENT} -u 127.0.0.1,127.0.0.2:{port}");
    let mut command = Command::new(program_of_two_addresses());
    let server = Server::spawn(command.args(words.split_whitespace()));
    for protocol in ["-tls1_2", "-tls1_3"] {
        let line = format!(
            "openssl s_client -quiet {protocol} -connect {}",
            server.address
        );
        let printed = converse(&mut bounded(&line), b"ask\n");
        assert!(printed.0.contains("the answer"), "{printed:?}");
    }
    let (_, said) = server.stop();
    assert!(!said.contains("upstream "), "{said}");
}

#[test]
fn an_upstream_of_which_no_address_answers_is_one_warning() {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let black_hole = BlackHole::new(any);
    let port = black_hole.address().port();
    let words = format!("-u 127.0.0.1,127.0.0.2:{port}");
    let mut command = Command::new(program_of_two_addresses());
    let server = Server::spawn(command.args(words.split_whitespace()));
    for _ in 0..3 {
        // The second address refuses.
        let line = format!("openssl s_client -quiet -connect {}", server.address);
        let printed = converse(&mut bounded(&line), b"ask\n");
        assert!(!printed.0.contains("the answer"), "{printed:?}");
    }
    let (_, said) = server.stop();
    let refused = format!("upstream 127.0.0.1,127.0.0.2:{port}: Connection refused");
    assert_eq!(said.matches(&refused).count(), 1, "{said}");
    assert_eq!(said.matches("upstream ").count(), 1, "{said}");
}

#[test]
fn an_upstream_that_never_answers_is_a_warning_as_well() {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let black_hole = BlackHole::new(any);
    let upstream = black_hole.address();
    let server = Server::start(&format!("-i 1 -u {upstream}"));
    s_client(server.address, "-tls1_2 -ign_eof");
    let timeout = format!("upstream {upstream}: Connection timed out");
    server.process.wait_for(&timeout);
}

#[test]
fn connections_may_end_after_sigterm() {
    let (asked, asked_receiver) = channel();
    let (go, go_receiver) = channel();
    let upstream = upstream(move |mut tcp| {
        tcp.read_exact(&mut [0; 4])?;
        asked.send(()).map_err(io::Error::other)?;
        go_receiver
            .recv_timeout(DEADLINE)
            .map_err(io::Error::other)?;
        tcp.write_all(b"the answer\n")
    });
    let server = relay(upstream);
    let line = format!("openssl s_client -quiet -connect {}", server.address);
    let mut client = Process::spawn(&mut bounded(&line), Stdio::piped());
    let mut stdin = client.take_stdin();
    stdin.write_all(b"ask\n").unwrap();
    asked_receiver.recv_timeout(DEADLINE).unwrap();

    server.process.signal(Signal::TERM);
    let mut attempts = iter::repeat_with(|| TcpStream::connect(server.address)).take(100_000);
    assert!(attempts.any(|attempt| attempt.is_err()), "it still listens");
    go.send(()).unwrap();
    client.wait_for("the answer");
    client.wait_for_end();
    let (status, said) = server.process.wait_for_end();
    assert!(status.success(), "{said}");
}

#[test]
fn those_that_do_not_end_are_cut() {
    let (server, files) = (Server::start(PATIENT), Files::new());
    let client = silent_client(server.address, &files.text("session"));
    let (status, said) = server.stop();
    assert!(status.success(), "{said}");
    client.wait_for_end();
}

/// A server that relays, and allows long silences.
fn relay(upstream: SocketAddr) -> Server {
    Server::start(&format!("{PATIENT} -u {upstream}"))
}

/// Serves one connection with `handle`, which closes it. A failure there fails the test as well.
fn upstream<F>(handle: F) -> SocketAddr
where
    F: FnOnce(TcpStream) -> io::Result<()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || handle(listener.accept()?.0));
    address
}
