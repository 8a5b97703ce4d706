//! The page, `/metrics`, `/healthz`, `/revoke` and `/rotate` over plain HTTP, on an address of
//! their own.
//!
//! All but `/healthz` are for known [`Hosts`] only: load balancers name all kinds of hosts, and
//! what `/healthz` tells is no secret. `/revoke` and `/rotate` demand a token ([`WriteAccess`]).
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
//! in or out extend none of these times. Of the bodies of requests, only a form with the token is
//! read; it is a part of the request.
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
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::changes::{Change, Gate};
use super::connections::Connections;
use super::exposition::Exposition;
use super::history::History;
use super::hosts::Hosts;
use super::http::{self, Answer, READ, answer, text};
use super::listener::{AdminListener, is_out_of_files};
use super::page::{self, Observed};
use super::phase::{AdminStream, Phases, overdue};
use super::write_access::WriteAccess;
use crate::handover::{Accepting, AcceptingState};
use crate::log_limit::LogLimit;

const PAUSE: Duration = Duration::from_millis(100);
const LAST_ANSWERS: Duration = Duration::from_secs(1);

pub(crate) struct Admin {
    pub(crate) observed: Observed,
    pub(crate) drain: CancellationToken,
    pub(crate) accepting: Arc<Accepting>,
    /// Most connections at one time. Scrapers and health checks are few.
    pub(crate) connections: usize,
    pub(crate) hosts: Hosts,
    /// None: nothing can be changed here.
    pub(crate) write: Option<Arc<WriteAccess>>,
}

/// What the connections share.
struct Shared {
    admin: Admin,
    history: History,
    gate: Gate,
}

impl Admin {
    /// Answers for as long as the process lives: health checks matter most during the drain. After
    /// a handover the successor answers.
    pub(crate) async fn run(self, listener: AdminListener) {
        let mut connections = Connections::new(self.connections);
        let shared = Arc::new(Shared {
            admin: self,
            history: History::default(),
            gate: Gate::default(),
        });
        let sampled = Arc::clone(&shared);
        tokio::spawn(async move { sampled.history.run(&sampled.admin.observed.metrics).await });
        let accept_errors = LogLimit::default();
        let mut state = shared.admin.accepting.watch();
        loop {
            if state.unpaused().await == AcceptingState::HandedOver {
                // For answers that are on their way; other clients ask the successor.
                tokio::time::sleep(LAST_ANSWERS).await;
                return;
            }
            let accepted = tokio::select! {
                biased;
                () = state.changed() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => {
                    let phases = Phases::begin();
                    let phase = phases.watch();
                    let tcp = AdminStream::new(tcp, phases.clone(), Arc::clone(&listener.spare));
                    let connection = Arc::clone(&shared).serve(tcp, peer, phases);
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
}

impl Shared {
    async fn serve(self: Arc<Self>, tcp: AdminStream<TcpStream>, peer: SocketAddr, phases: Phases) {
        let never = CancellationToken::new();
        let late = overdue(phases.watch());
        let served = http::serve(tcp, &never, |request| self.respond(request, &phases));
        tokio::select! {
            served = served => if let Err(error) = served {
                debug!(%peer, %error, "admin connection");
            },
            () = late => debug!(%peer, "admin connection: the client is too slow"),
        }
    }

    async fn respond(&self, request: Request<Incoming>, phases: &Phases) -> Answer {
        let path = request.uri().path();
        let refusal = match path {
            "/healthz" => None,
            _ => self.admin.hosts.refuse(&request),
        };
        let change = Change::at(path).filter(|_| refusal.is_none());
        if let Some(change) = change.filter(|_| request.method() == "POST") {
            let (admin, came) = (&self.admin, || phases.request_came());
            let resumption = &admin.observed.resumption;
            let access = admin.write.as_deref();
            return self
                .gate
                .pass(change, request, access, resumption, &admin.accepting, came)
                .await;
        }
        phases.request_came();
        refusal.unwrap_or_else(|| match (path, change) {
            (_, Some(_)) => http::not_allowed("POST"),
            ("/metrics", _) => http::only(READ, &request, || self.metrics(request.headers())),
            ("/healthz", _) => http::only(READ, &request, || self.health()),
            ("/", _) => http::only(READ, &request, || http::html(self.page())),
            (path, _) => match page::file(path) {
                Some((kind, content)) => http::only(READ, &request, || {
                    answer(StatusCode::OK, kind, content.into())
                }),
                None => http::not_found(),
            },
        })
    }

    fn health(&self) -> Answer {
        let upstreams = &self.admin.observed.upstreams;
        let upstreams = (upstreams.healthy(), upstreams.total());
        let (status, body) = health(self.admin.drain.is_cancelled(), upstreams);
        text(status, body)
    }

    fn page(&self) -> String {
        let draining = self.admin.drain.is_cancelled();
        let may_change = self.admin.write.is_some();
        let snapshot = self
            .admin
            .observed
            .snapshot(&self.history, draining, may_change);
        page::render(&snapshot)
    }

    fn metrics(&self, headers: &HeaderMap) -> Answer {
        let accept = headers.get_all(ACCEPT).iter();
        // A value that is no text asks for nothing.
        let format = Exposition::preferred(accept.filter_map(|value| value.to_str().ok()));
        match self.admin.observed.metrics.encode(format) {
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
