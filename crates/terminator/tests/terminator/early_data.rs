//! Early data: they reach the upstream before the handshake has ended, once, and by name.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use foreign_types_shared::ForeignType;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslSession, SslStream, SslVerifyMode, SslVersion};
use rekindle_test_servers::{Files, Printed, TlsClient, Visitor, s_client_get, serve};

use crate::common::told::{Told, read_request, reporter};
use crate::common::{DEADLINE, Terminator, connect};

pub(crate) const REQUEST: &[u8] = b"GET /early HTTP/1.0\r\n\r\n";
const ANSWER: &[u8] = b"the upstream's answer";
const TICKETS: [&str; 2] = ["on", "off"];
const LIMIT: u32 = 4096;

/// What one connection brought to an upstream: the header, then pieces, then how it ended.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) told: Told,
    request: String,
    ended: Receiver<io::Result<Vec<u8>>>,
}

/// An upstream that answers a request, and then takes what comes.
pub(crate) fn upstream() -> (SocketAddr, Receiver<Visit>) {
    let (sender, visits): (Sender<Visit>, _) = channel();
    let address = serve(move |mut tcp| {
        let told = Told::read(&mut tcp)?;
        let request = read_request(&mut tcp)?;
        tcp.write_all(ANSWER)?;
        let (end, ended) = channel();
        let visit = Visit {
            told,
            request,
            ended,
        };
        let _ = sender.send(visit);
        let mut rest = Vec::new();
        let outcome = tcp.read_to_end(&mut rest).map(|_| rest);
        let _ = end.send(outcome);
        Ok(())
    });
    (address, visits)
}

fn start(upstream: SocketAddr, words: &str) -> Terminator {
    let files = Files::with_certificate("early");
    let words = format!("--threads 1 --proxy-protocol-out v2 --early-data {LIMIT} {words}");
    Terminator::proxy(upstream, &files, &words)
}

/// The upstream's answer arrives.
#[track_caller]
fn answered(stream: &mut impl Read) {
    let mut answer = [0; ANSWER.len()];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer, ANSWER);
}

/// A session of a full handshake with a request and its answer.
pub(crate) fn session(terminator: &Terminator) -> SslSession {
    let client = TlsClient::new(SslVersion::TLS1_3);
    let mut stream = client.connect(terminator.address);
    stream.write_all(REQUEST).expect("it is sent");
    answered(&mut stream);
    let _ = stream.shutdown();
    let session = client.session().expect("a ticket");
    assert_eq!(session.max_early_data(), LIMIT);
    session
}

/// A client's socket, which keeps what was sent.
#[derive(Debug)]
pub(crate) struct Recorded {
    tcp: TcpStream,
    pub(crate) sent: Vec<u8>,
}

impl Read for Recorded {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.tcp.read(bytes)
    }
}

impl Write for Recorded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.write_all(bytes)?;
        self.sent.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends a flight: a ClientHello that offers the session, and early data. OpenSSL's client then
/// reads what is answered, and sends its Finished when it is told to finish the handshake.
pub(crate) fn flight(
    terminator: &Terminator,
    session: &SslSession,
    early: &[u8],
) -> SslStream<Recorded> {
    let mut builder = SslContext::builder(SslMethod::tls_client()).expect("OpenSSL");
    builder.set_verify(SslVerifyMode::NONE);
    let mut ssl = Ssl::new(&builder.build()).expect("OpenSSL");
    ssl.set_hostname("localhost").expect("a name");
    let copy = SslSession::from_der(&session.to_der().expect("DER")).expect("DER");
    #[allow(unsafe_code, reason = "rust-openssl's way to offer a session")]
    // SAFETY: both are clients of TLS 1.3 with the same settings; the copy is no other's.
    unsafe {
        ssl.set_session(&copy).expect("it fits");
    }
    ssl.set_connect_state();
    let socket = Recorded {
        tcp: connect(terminator.address),
        sent: Vec::new(),
    };
    let mut stream = SslStream::new(ssl, socket).expect("OpenSSL");
    let written = stream.write_early_data(early);
    assert_eq!(written.expect("the session allows it"), early.len());
    stream
}

/// The next visit, which must come.
#[track_caller]
pub(crate) fn next(visits: &Receiver<Visit>) -> Visit {
    visits
        .recv_timeout(DEADLINE)
        .expect("the upstream is visited")
}

#[track_caller]
fn told(visit: &Visit, resumed: bool, early_data: bool) {
    let told = (visit.told.resumed, visit.told.early_data);
    assert_eq!(told, (resumed, early_data), "{visit:?}");
}

#[test]
fn s_client_sends_early_data_and_the_upstream_is_told() {
    for tickets in TICKETS {
        let terminator = start(reporter(), &format!("--tickets {tickets}"));
        let files = Files::new();
        files.replace("early", b"GET /early HTTP/1.0\r\n");
        let client = Visitor::new("-tls1_3");
        let told = |printed: &Printed, expected: [&str; 2]| {
            printed.assert_no_error();
            let told = [printed.pages("resumed"), printed.pages("early data")];
            assert_eq!(told, expected.map(|one| [one].to_vec()), "{}", printed.0);
        };
        told(&client.visit(terminator.address), ["false", "false"]);
        told(&client.come_back(terminator.address), ["true", "false"]);
        client.visit(terminator.address);
        let words = format!(
            "-tls1_3 -sess_in {} -early_data {}",
            client.session(),
            files.text("early")
        );
        let printed = s_client_get(terminator.address, &words);
        told(&printed, ["true", "true"]);
        assert!(
            printed.0.contains("Early data was accepted"),
            "{}",
            printed.0
        );
        // The early data, and behind them what the client has sent after its handshake.
        let both = "GET /early HTTP/1.0\r\nGET / HTTP/1.0\r\n";
        assert!(printed.0.contains(both), "{}", printed.0);
    }
}

#[test]
fn an_answer_comes_before_the_client_has_finished_its_handshake() {
    for tickets in TICKETS {
        let (address, visits) = upstream();
        let terminator = start(address, &format!("--tickets {tickets}"));
        let session = session(&terminator);
        told(&next(&visits), false, false);

        let mut client = flight(&terminator, &session, REQUEST);
        let visit = next(&visits);
        told(&visit, true, true);
        assert_eq!(visit.request.as_bytes(), REQUEST);
        let sent = client.get_ref().sent.len();
        answered(&mut client);
        assert_eq!(client.get_ref().sent.len(), sent, "no Finished yet");
        let source = client.get_ref().tcp.local_addr().expect("an address");
        assert_eq!(visit.told.source, source);

        client.do_handshake().expect("the handshake succeeds");
        client.write_all(b"and more").expect("it is sent");
        client.shutdown().expect("close_notify is sent");
        let rest = visit.ended.recv_timeout(DEADLINE).expect("it ends");
        assert_eq!(rest.expect("a good end"), b"and more");
    }
}

#[test]
fn the_same_flight_is_taken_once() {
    for tickets in TICKETS {
        let (address, visits) = upstream();
        let terminator = start(address, &format!("--tickets {tickets}"));
        let session = session(&terminator);
        told(&next(&visits), false, false);
        let mut client = flight(&terminator, &session, REQUEST);
        told(&next(&visits), true, true);
        let sent = client.get_ref().sent.clone();
        // Before and after the client has finished its handshake.
        replay(&terminator, &sent, 1);
        answered(&mut client);
        client.do_handshake().expect("the handshake succeeds");
        replay(&terminator, &sent, 2);
        assert!(visits.try_recv().is_err(), "the upstream saw a replay");
    }
}

/// Sends recorded bytes on a connection of their own, for the `count`-th time.
#[track_caller]
fn replay(terminator: &Terminator, sent: &[u8], count: u64) {
    let mut attacker = connect(terminator.address);
    attacker.write_all(sent).expect("it is sent");
    // A Finished would follow, which the attacker cannot make.
    (attacker.shutdown(Shutdown::Write)).expect("a FIN is sent");
    let mut flight = Vec::new();
    attacker.read_to_end(&mut flight).expect("a ServerHello");
    assert!(flight.len() > 64, "{flight:?}");
    let failed = r#"rekindle_handshake_failures_total{reason="closed"}"#;
    terminator.wait_for_metric(failed, count);
}

#[test]
fn a_client_that_never_finishes_its_handshake_is_ended_in_time() {
    let (address, visits) = upstream();
    let terminator = start(address, "--handshake-timeout 1");
    let session = session(&terminator);
    next(&visits);
    let mut client = flight(&terminator, &session, REQUEST);
    let visit = next(&visits);
    told(&visit, true, true);
    terminator.wait_for_metric("rekindle_connections_timed_out_total", 1);
    let ended = visit.ended.recv_timeout(DEADLINE);
    let ended = ended.expect("the upstream hears of it");
    ended.expect_err("no good end of what is not complete");
    // The client got the answer that there was, and no end of it.
    answered(&mut client);
    assert_eq!(client.get_mut().tcp.read(&mut [0]).expect("no reset"), 0);
    drop(client);
    terminator.wait_for_metric("rekindle_connections_active", 0);
}

#[test]
fn a_client_that_goes_before_it_has_finished_reaches_the_upstream_as_broken() {
    let (address, visits) = upstream();
    let terminator = start(address, "");
    let session = session(&terminator);
    next(&visits);
    let client = flight(&terminator, &session, REQUEST);
    let visit = next(&visits);
    drop(client);
    let ended = visit.ended.recv_timeout(DEADLINE);
    let ended = ended.expect("the upstream hears of it");
    ended.expect_err("no good end of what is not complete");
    terminator.wait_for_metric(r#"rekindle_connections_broken_total{side="client"}"#, 1);
    terminator.wait_for_metric("rekindle_connections_active", 0);
}

/// A request of this length in bytes.
fn request(length: u32) -> Vec<u8> {
    let mut request = vec![b'x'; length as usize];
    request.splice(request.len() - 4.., *b"\r\n\r\n");
    request
}

#[test]
fn more_early_data_than_the_ticket_allows_is_a_fault_of_the_client() {
    for tickets in TICKETS {
        let (address, visits) = upstream();
        let terminator = start(address, &format!("--tickets {tickets}"));
        let session = session(&terminator);
        next(&visits);
        let all = request(LIMIT);
        let _allowed = flight(&terminator, &session, &all);
        assert_eq!(next(&visits).request.as_bytes(), all);

        let session = self::session(&terminator);
        next(&visits);
        #[allow(unsafe_code, reason = "no client that follows the rules does this")]
        // SAFETY: the session is valid, and not shared.
        unsafe {
            openssl_sys::SSL_SESSION_set_max_early_data(session.as_ptr(), 3 * LIMIT);
        }
        let mut client = flight(&terminator, &session, &request(LIMIT + 1));
        let failed = r#"rekindle_handshake_failures_total{reason="tls"}"#;
        terminator.wait_for_metric(failed, 1);
        let error = client.read(&mut [0]).expect_err("an alert");
        assert!(error.to_string().contains("alert"), "{error}");
    }
}

#[test]
fn without_the_flag_no_early_data_are_offered() {
    let files = Files::with_certificate("early");
    let (address, _visits) = upstream();
    let terminator = Terminator::proxy(address, &files, "--proxy-protocol-out v2");
    let client = TlsClient::new(SslVersion::TLS1_3);
    let mut stream = client.connect(terminator.address);
    stream.write_all(REQUEST).expect("it is sent");
    answered(&mut stream);
    let session = client.session().expect("a ticket");
    assert_eq!(session.max_early_data(), 0);
}

/// Early data once went on, to upstreams that were told no more.
#[test]
fn without_early_data_in_the_file_none_is_taken_after_a_reload() {
    let (address, visits) = upstream();
    let files = Files::with_certificate("early");
    let write = |more: &str| {
        let text = format!("cert = 'cert.pem'\nkey = 'key.pem'\nupstream = '{address}'\n{more}");
        files.replace("site.toml", text.as_bytes());
    };
    write(&format!(
        "proxy-protocol-out = 'v2'\nearly-data = {LIMIT}\n"
    ));
    let terminator = Terminator::start(&format!("--config {}", files.text("site.toml")));
    let session = session(&terminator);
    told(&next(&visits), false, false);
    write("proxy-protocol-out = 'v2'\nidle-timeout = 60\n");
    terminator.reload("reload: done");
    let mut client = flight(&terminator, &session, REQUEST);
    client.do_handshake().expect("the session resumes");
    client.write_all(REQUEST).expect("it is sent");
    told(&next(&visits), true, false);
}
