//! The demo: prints commands to paste, answers by itself, and tells each visitor how the handshake
//! went.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::body::Incoming;
use hyper::header::ACCEPT;
use hyper::{Request, StatusCode};
use openssl::ssl::SslRef;
use rekindle::openssl::{ResumedBy, Resumption};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::deadlines::Deadline;
use super::tls::{handshake_kind, hex};
use super::tunnel::linger;
use crate::admin::{self, Answer, Visit, answer};

/// The bytes of a session id that the page shows: enough to tell two apart, too few to ask for the
/// session.
const SESSION_ID_SHOWN: usize = 8;

#[derive(Debug)]
pub(crate) struct Demo(pub(super) Resumption);

impl Demo {
    pub(crate) async fn serve(
        &self,
        client: Client,
        resumed: Option<ResumedBy>,
        deadline: &Deadline,
        drain: &CancellationToken,
    ) -> Result<(), String> {
        let mut stream = client.stream;
        let visit = visit(stream.ssl(), resumed);
        let exchange = admin::serve_http(&mut stream, drain, |request| {
            admin::only("GET, HEAD", request, || self.respond(&visit, request))
        });
        let served = exchange.await;
        if served.is_err() {
            // hyper shuts the connection down where all went well. A client that sent no request
            // gets `close_notify` as well.
            let _ = stream.shutdown().await;
        }
        linger(stream.tcp(), deadline).await;
        served.map_err(|error| error.to_string())
    }

    fn respond(&self, visit: &Visit, request: &Request<Incoming>) -> Answer {
        if request.uri().path() != "/" {
            return admin::not_found();
        }
        let stats = self.0.cache().stats();
        let tickets = self.0.ticket_stats();
        if wants_html(request) {
            answer(
                StatusCode::OK,
                "text/html; charset=utf-8",
                admin::html(visit, &stats, &tickets),
            )
        } else {
            answer(
                StatusCode::OK,
                "application/json",
                admin::json(visit, &stats, &tickets),
            )
        }
    }
}

fn visit(ssl: &SslRef, resumed: Option<ResumedBy>) -> Visit {
    let session = ssl.session();
    let id = session.map(|session| session.id());
    let id = id.filter(|id| !id.is_empty());
    Visit {
        protocol: ssl.version_str(),
        cipher: ssl.current_cipher().map_or("none", |cipher| cipher.name()),
        resumed: resumed.is_some(),
        kind: handshake_kind(resumed),
        session_id: id.map(|id| hex(&id[..id.len().min(SESSION_ID_SHOWN)])),
    }
}

fn wants_html(request: &Request<Incoming>) -> bool {
    let accept = request.headers().get_all(ACCEPT);
    accept
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"))
}

/// Commands that show each kind of resumption against the demo at `listening`.
pub(super) fn instructions(listening: SocketAddr, admin: Option<SocketAddr>) -> String {
    let at = reachable(listening);
    let metrics = admin.map_or_else(String::new, |admin| {
        format!(
            "\n# The counters\ncurl -s http://{}/metrics | grep '^rekindle_'\n",
            reachable(admin)
        )
    });
    format!(
        r"
Open https://{at}/ in a browser (the certificate is self-signed: accept it) and reload, or paste:

# TLS 1.2 by session id: one New, then five Reused, all of one session id
openssl s_client -connect {at} -tls1_2 -no_ticket -reconnect </dev/null 2>&1 |
    grep -E '^(New|Reused)|Session-ID:'

# TLS 1.2 by ticket: the same
openssl s_client -connect {at} -tls1_2 -reconnect </dev/null 2>&1 |
    grep -E '^(New|Reused)'

# TLS 1.3: the first connection is New and keeps its ticket in a file, the second shows the ticket
# and is Reused
for keep in -sess_out -sess_in; do
    printf 'GET / HTTP/1.0\r\n\r\n' |
        openssl s_client -connect {at} -tls1_3 -ign_eof $keep /tmp/rekindle-session 2>&1 |
        grep -E '^(New|Reused)'
done

# curl: one process, two connections; the server says what it saw
curl -sk -H 'Connection: close' https://{at}/ https://{at}/
{metrics}
Start with --tickets off to see TLS 1.3 resume from the cache. Ctrl-C ends the demo."
    )
}

/// Where a client on this machine reaches a listener: one that is bound to all addresses is also on
/// loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
