//! The PROXY protocol with the programs that speak it: nginx and HAProxy, in front and behind.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use rekindle_test_servers::{Configured, Files, NGINX, STREAM_MODULE, echo, eventually, skipped};

use crate::common::Terminator;
use crate::common::client::{Tls, connector, receive_all, send};
use crate::common::wire::connect_from;

/// An address of loopback that neither peer nor terminator has.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

fn nginx(service: &str) -> Option<Configured> {
    let module = match Path::new(STREAM_MODULE).exists() {
        true => format!("load_module {STREAM_MODULE};"),
        false => String::new(),
    };
    let common = "daemon off; worker_processes 1; pid {directory}/nginx.pid;\n\
                  error_log stderr; events {}\n";
    let arguments = ["-e", "stderr", "-c"];
    Configured::start(
        &NGINX,
        &arguments,
        &format!("{module}\n{common}{service}\n"),
    )
}

/// Answers HTTP with what it was told of the client.
fn nginx_receiver() -> Option<Configured> {
    nginx(
        "http { access_log off;
            client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
            scgi_temp_path {directory}/scgi;
            server { listen {listen} proxy_protocol;
                location / { return 200 '$proxy_protocol_addr $proxy_protocol_port \
                    $proxy_protocol_server_addr $proxy_protocol_server_port'; } } }",
    )
}

/// Forwards bytes, behind a header of version 1.
fn nginx_sender(to: SocketAddr) -> Option<Configured> {
    if NGINX.find().is_some_and(|program| !forwards(&program)) {
        skipped("nginx has no module `stream`");
        return None;
    }
    nginx(&format!(
        "stream {{ server {{ listen {{listen}}; proxy_pass {to}; proxy_protocol on; }} }}"
    ))
}

/// Answers HTTP with what it was told of the client, at its address and on a Unix socket.
fn haproxy_receiver() -> Option<Configured> {
    Configured::haproxy(
        "listen receiver\n mode http\n bind {listen} accept-proxy\n \
         bind unix@{directory}/http.sock accept-proxy\n \
         http-request return status 200 content-type text/plain lf-string \
         \"%[src] %[src_port] %[dst] %[dst_port] %[fc_pp_authority]\"",
    )
}

fn haproxy_sender(bind: &str, to: SocketAddr, how: &str) -> Option<Configured> {
    Configured::haproxy(&format!(
        "listen sender\n mode tcp\n bind {{listen}} {bind}\n server terminator {to} {how}"
    ))
}

/// Whether this nginx has its `stream` module, as a file or built in.
fn forwards(nginx: &Path) -> bool {
    let options = Command::new(nginx).arg("-V").output().expect("it runs");
    let options = String::from_utf8_lossy(&options.stderr).into_owned();
    Path::new(STREAM_MODULE).exists() || options.contains("--with-stream ")
}

fn before(upstream: &str, words: &str) -> Terminator {
    Terminator::proxy(upstream, &Files::with_certificate("proxy"), words)
}

/// A client with an address of its own, and its port.
#[track_caller]
fn visit(address: SocketAddr) -> (Tls, u16) {
    let tcp = connect_from(CLIENT, address);
    let port = tcp.local_addr().expect("it is connected").port();
    let client = connector().connect("localhost", tcp);
    (client.expect("a handshake"), port)
}

/// What an upstream that answers HTTP was told, and what it should have been told.
#[track_caller]
fn told(front: SocketAddr) -> (String, String) {
    let (mut client, port) = visit(front);
    send(&mut client, b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let answer = receive_all(&mut client).expect("close_notify");
    let answer = String::from_utf8(answer).expect("text");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
    let expected = format!("{CLIENT} {port} {} {}", front.ip(), front.port());
    (body.trim_end().to_owned(), expected)
}

#[test]
fn nginx_learns_the_clients_address() {
    let Some(nginx) = nginx_receiver() else {
        return;
    };
    for version in ["v1", "v2"] {
        let words = format!("--proxy-protocol-out {version} --alpn http/1.1");
        let terminator = before(&nginx.address.to_string(), &words);
        let (told, expected) = told(terminator.address);
        assert_eq!(told, expected, "{version}");
    }
}

#[test]
fn haproxy_learns_the_clients_address_and_the_name_that_it_asked_for() {
    let Some(haproxy) = haproxy_receiver() else {
        return;
    };
    let path = haproxy.files.path("http.sock");
    eventually("its socket", || UnixStream::connect(&path).is_ok());
    for upstream in [
        haproxy.address.to_string(),
        format!("unix:{}", path.display()),
    ] {
        for (version, name) in [("v1", ""), ("v2", " localhost")] {
            let terminator = before(&upstream, &format!("--proxy-protocol-out {version}"));
            let (told, expected) = told(terminator.address);
            assert_eq!(told, format!("{expected}{name}"), "{upstream} {version}");
        }
    }
}

/// The line that the upstream got says what `front`, whose client this is, has told.
#[track_caller]
fn passes_on(front: &Configured) {
    let (client, port) = visit(front.address);
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line).expect("a line");
    let to = front.address;
    let expected = format!("PROXY TCP4 {CLIENT} {} {port} {}\r\n", to.ip(), to.port());
    assert_eq!(line, expected);
}

fn between() -> Terminator {
    before(
        &echo().to_string(),
        "--proxy-protocol-in any --proxy-protocol-out v1",
    )
}

#[test]
fn haproxy_in_front_tells_the_clients_address() {
    let terminator = between();
    let (plain, tls) = ("", "ssl crt {both}");
    for (bind, how) in [
        (plain, "send-proxy"),
        (plain, "send-proxy-v2"),
        (plain, "send-proxy-v2-ssl-cn"),
        // It ends TLS, begins it anew, and has something to tell of its own.
        (tls, "ssl verify none send-proxy-v2-ssl-cn"),
        (
            tls,
            "ssl verify none send-proxy-v2 proxy-v2-options ssl,crc32c,authority,unique-id",
        ),
    ] {
        let Some(haproxy) = haproxy_sender(bind, terminator.address, how) else {
            return;
        };
        passes_on(&haproxy);
    }
}

#[test]
fn nginx_in_front_tells_the_clients_address() {
    let terminator = between();
    if let Some(nginx) = nginx_sender(terminator.address) {
        passes_on(&nginx);
    }
}

#[test]
fn between_nginx_and_haproxy_the_clients_address_arrives() {
    let Some(haproxy) = haproxy_receiver() else {
        return;
    };
    let words = "--proxy-protocol-in any --proxy-protocol-out v2";
    let terminator = before(&haproxy.address.to_string(), words);
    let Some(nginx) = nginx_sender(terminator.address) else {
        return;
    };
    let (told, expected) = told(nginx.address);
    assert_eq!(told, format!("{expected} localhost"));
}
