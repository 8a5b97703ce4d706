//! `/metrics`, `/healthz` and `/revoke` over plain HTTP, on an address of their own.
//!
//! `/healthz` tells a load balancer whether to send new clients here. Its first line is one of:
//!
//! | status | first line | when |
//! |---|---|---|
//! | 200 | `ok` | new connections are served |
//! | 503 | `draining` | the terminator ends |
//! | 503 | `no upstream` | every upstream was down a moment ago, as connections tell |
//!
//! Where some upstreams are down it is `ok`, since the others take their place; a second line,
//! `upstreams: 1 of 2 up`, says so. An upstream whose pause is over counts as up: only a client
//! that is sent here can tell whether it is back.
//!
//! A client cannot keep others from an answer. A new connection is always taken: if too many are
//! open, the one that has waited longest for a request is closed, and one that is being answered
//! only if all are. A connection is closed when its first request takes longer than 5 s to come, a
//! later one longer than 30 s, or the client longer than 10 s to take an answer. Bytes that trickle
//! in or out extend none of these times. The body of a request is not read.
//!
//! All this runs by `tokio::spawn` on the runtime that [`Admin::run`] was started on, and no part
//! of it blocks.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, HeaderMap};
use hyper::{Request, StatusCode};
use rekindle::openssl::Resumption;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::connections::Connections;
use super::exposition::Exposition;
use super::http::{self, Answer, answer, text};
use super::listener::{AdminListener, is_out_of_files};
use super::metrics::Metrics;
use super::phase::{AdminStream, Phases, overdue};
use crate::handover::{Accepting, AcceptingState};
use crate::log_limit::LogLimit;

const READ: &str = "GET, HEAD";
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Admin {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) drain: CancellationToken,
    pub(crate) accepting: Arc<Accepting>,
    pub(crate) resumption: Resumption,
    /// Most connections at one time. Scrapers and health checks are few.
    pub(crate) connections: usize,
    /// How many upstreams are up, and how many there are: none in the demo.
    pub(crate) upstreams: Box<dyn Fn() -> (usize, usize) + Send + Sync>,
}

impl Admin {
    /// Answers for as long as the process lives: health checks matter most during the drain. After
    /// a handover the successor answers.
    pub(crate) async fn run(self, listener: AdminListener) {
        let mut connections = Connections::new(self.connections);
        let admin = Arc::new(self);
        let accept_errors = LogLimit::default();
        let mut state = admin.accepting.watch();
        loop {
            let now = *state.borrow_and_update();
            let accepted = match now {
                AcceptingState::HandedOver => return,
                AcceptingState::Paused => {
                    // An error: it never changes again.
                    let Ok(()) = state.changed().await else {
                        return;
                    };
                    continue;
                }
                AcceptingState::Open | AcceptingState::Draining => tokio::select! {
                    biased;
                    Ok(()) = state.changed() => continue,
                    accepted = listener.accept() => accepted,
                },
            };
            match accepted {
                Ok((tcp, peer)) => {
                    let phases = Phases::begin();
                    let phase = phases.watch();
                    let tcp = AdminStream::new(tcp, phases.clone(), Arc::clone(&listener.spare));
                    let connection = Arc::clone(&admin).serve(tcp, peer, phases);
                    connections.add(phase, connection).await;
                }
                Err(error) if is_out_of_files(&error) && connections.close_one().await => {}
                Err(error) => {
                    if let Some(suppressed) = accept_errors.admit() {
                        warn!(%error, suppressed, "cannot accept admin connections");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn serve(self: Arc<Self>, tcp: AdminStream<TcpStream>, peer: SocketAddr, phases: Phases) {
        let never = CancellationToken::new();
        let late = overdue(phases.watch());
        let served = http::serve(tcp, &never, |request| {
            phases.request_came();
            self.respond(request)
        });
        tokio::select! {
            served = served => if let Err(error) = served {
                debug!(%peer, %error, "admin connection");
            },
            () = late => debug!(%peer, "admin connection: the client is too slow"),
        }
    }

    fn respond(&self, request: &Request<Incoming>) -> Answer {
        match request.uri().path() {
            "/metrics" => http::only(READ, request, || self.metrics(request.headers())),
            "/healthz" => http::only(READ, request, || self.health()),
            "/revoke" => http::only("POST", request, || self.revoke()),
            _ => http::not_found(),
        }
    }

    fn health(&self) -> Answer {
        let (status, body) = health(self.drain.is_cancelled(), (self.upstreams)());
        text(status, body)
    }

    fn revoke(&self) -> Answer {
        self.resumption.revoke_all();
        info!("all sessions are revoked");
        text(StatusCode::OK, "all sessions of before are revoked\n")
    }

    fn metrics(&self, headers: &HeaderMap) -> Answer {
        let accept = headers.get_all(ACCEPT).iter();
        // A value that is no text asks for nothing.
        let format = Exposition::preferred(accept.filter_map(|value| value.to_str().ok()));
        match self.metrics.encode(format) {
            Ok(metrics) => answer(StatusCode::OK, format.content_type(), metrics),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }
}

/// What `/healthz` answers: the table at the head of this module.
fn health(draining: bool, upstreams: (usize, usize)) -> (StatusCode, String) {
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    match upstreams {
        _ if draining => (unavailable, "draining\n".into()),
        (0, 1..) => (unavailable, "no upstream\n".into()),
        (up, all) if up < all => {
            let body = format!("ok\nupstreams: {up} of {all} up\n");
            (StatusCode::OK, body)
        }
        _ => (StatusCode::OK, "ok\n".into()),
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_knows_the_drain_and_the_upstreams() {
        for (draining, upstreams, status, body) in [
            // The demo.
            (false, (0, 0), 200, "ok\n"),
            (false, (2, 2), 200, "ok\n"),
            (false, (1, 2), 200, "ok\nupstreams: 1 of 2 up\n"),
            (false, (0, 1), 503, "no upstream\n"),
            (false, (0, 2), 503, "no upstream\n"),
            (true, (2, 2), 503, "draining\n"),
            (true, (0, 2), 503, "draining\n"),
        ] {
            let told = health(draining, upstreams);
            assert_eq!((told.0.as_u16(), &*told.1), (status, body));
        }
    }
}
