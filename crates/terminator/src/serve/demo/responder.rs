//! Answers a visitor, over the connection that the answer is about.

use std::net::SocketAddr;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, StatusCode};
use openssl::ssl::SslRef;
use rekindle::openssl::{ResumedBy, Resumption};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::instructions::reachable;
use super::page::{Visit, html, json};
use crate::admin::{self, Answer, READ, answer, wants_html};
use crate::serve::client::Client;
use crate::serve::deadlines::Deadline;
use crate::serve::tls::{handshake_kind, hex};
use crate::serve::tunnel::linger;

/// The bytes of a session id that the page shows: enough to tell two apart, too few to ask for the
/// session.
const SESSION_ID_SHOWN: usize = 8;

#[derive(Debug)]
pub(crate) struct Demo {
    pub(in crate::serve) resumption: Resumption,
    /// Where the admin page is.
    pub(in crate::serve) admin: Option<SocketAddr>,
}

impl Demo {
    pub(in crate::serve) async fn serve(
        &self,
        client: Client,
        resumed: Option<ResumedBy>,
        deadline: &Deadline,
        drain: &CancellationToken,
    ) -> Result<(), String> {
        let (mut stream, peer) = (client.stream, client.peer);
        let mut visit = visit(stream.ssl(), resumed);
        // A visitor from elsewhere cannot reach what only this machine can.
        let admin = self.admin.filter(|_| peer.ip().is_loopback());
        visit.admin = admin.map(reachable);
        let exchange = admin::serve_http(&mut stream, drain, |request| {
            let answer = admin::only(READ, &request, || self.respond(&visit, &request));
            std::future::ready(answer)
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
        let script = "text/javascript; charset=utf-8";
        let mut answer = match request.uri().path() {
            "/" if wants_html(request) => admin::html(html(visit)),
            "/" => return self.json(visit),
            "/visit" => self.json(visit),
            "/demo.css" => ok("text/css; charset=utf-8", include_str!("demo.css")),
            "/demo.js" => ok(script, include_str!("demo.js")),
            _ => return admin::not_found(),
        };
        // So that the browser's next request begins with a handshake.
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
        answer
    }

    fn json(&self, visit: &Visit) -> Answer {
        let (stats, tickets) = (
            self.resumption.cache().stats(),
            self.resumption.ticket_stats(),
        );
        answer(
            StatusCode::OK,
            "application/json",
            json(visit, &stats, &tickets),
        )
    }
}

fn ok(kind: &'static str, content: &str) -> Answer {
    answer(StatusCode::OK, kind, content.into())
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
        admin: None,
    }
}
