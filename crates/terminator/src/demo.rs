//! The demo: answers by itself and tells each visitor how the handshake went.

mod invitation;
mod page;

use hyper::body::Incoming;
use hyper::header::ACCEPT;
use hyper::{Request, StatusCode};
use openssl::ssl::SslRef;
use rekindle::openssl::{ResumedBy, Resumption};
use tokio::io::AsyncWriteExt;

pub(crate) use self::invitation::invitation;
use crate::accept::{Lifecycle, kind};
use crate::http::{self, Answer, answer};
use crate::identity::hex;
use crate::tls::TlsStream;

/// Enough of a session id to tell two apart. The whole id would let who reads over the shoulder ask for the session.
const SESSION_ID_SHOWN: usize = 8;

#[derive(Debug)]
pub(crate) struct Demo {
    resumption: Resumption,
}

/// What one connection's handshake came to.
#[derive(Debug)]
struct Visit {
    protocol: &'static str,
    cipher: &'static str,
    resumed: bool,
    kind: &'static str,
    session_id: Option<String>,
}

impl Demo {
    pub(crate) fn new(resumption: Resumption) -> Self {
        Self { resumption }
    }

    pub(crate) async fn serve(
        &self,
        mut stream: TlsStream,
        resumed: Option<ResumedBy>,
        lifecycle: &Lifecycle,
    ) -> hyper::Result<()> {
        let visit = Visit::new(stream.ssl(), resumed);
        let exchange = http::serve(&mut stream, &lifecycle.drain, |request| {
            self.respond(&visit, request)
        });
        let served = tokio::select! {
            served = exchange => served,
            () = lifecycle.abort.cancelled() => return Ok(()),
        };
        if served.is_err() {
            // hyper says goodbye itself where all went well. A client that sent no request at all gets one too.
            let _ = stream.shutdown().await;
        }
        served
    }

    fn respond(&self, visit: &Visit, request: &Request<Incoming>) -> Answer {
        if request.uri().path() != "/" {
            return http::not_found();
        }
        let stats = self.resumption.cache().stats();
        let tickets = self.resumption.ticket_stats();
        if wants_html(request) {
            answer(
                StatusCode::OK,
                "text/html; charset=utf-8",
                page::html(visit, &stats, &tickets),
            )
        } else {
            answer(
                StatusCode::OK,
                "application/json",
                page::json(visit, &stats, &tickets),
            )
        }
    }
}

impl Visit {
    fn new(ssl: &SslRef, resumed: Option<ResumedBy>) -> Self {
        let id = ssl
            .session()
            .map(|session| session.id())
            .filter(|id| !id.is_empty());
        Self {
            protocol: ssl.version_str(),
            cipher: ssl.current_cipher().map_or("none", |cipher| cipher.name()),
            resumed: resumed.is_some(),
            kind: kind(resumed),
            session_id: id.map(|id| hex(&id[..id.len().min(SESSION_ID_SHOWN)])),
        }
    }
}

fn wants_html(request: &Request<Incoming>) -> bool {
    let accept = request.headers().get_all(ACCEPT);
    accept
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"))
}
