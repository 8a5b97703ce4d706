//! `/metrics`, `/healthz` and `/revoke` over plain HTTP, on an address of their own.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, HeaderMap};
use hyper::{Request, StatusCode};
use rekindle::openssl::Resumption;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::exposition::Exposition;
use super::http::{self, Answer, answer, text};
use super::metrics::Metrics;
use crate::log_limit::LogLimit;

/// Scrapers and health checks are few. More connections than this wait.
const CONNECTIONS: usize = 64;
const READ: &str = "GET, HEAD";
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) drain: CancellationToken,
    pub(crate) resumption: Resumption,
}

impl Admin {
    /// Answers for as long as the process lives: health checks matter most during the drain.
    pub(crate) async fn run(self, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let accept_errors = LogLimit::default();
        // The semaphore is never closed, so the loop ends only with the process.
        while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
            let (tcp, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    if let Some(suppressed) = accept_errors.admit() {
                        warn!(%error, suppressed, "cannot accept admin connections");
                    }
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let admin = self.clone();
            tokio::spawn(async move {
                let _slot = slot;
                let never = CancellationToken::new();
                let served = http::serve(tcp, &never, |request| admin.respond(request)).await;
                if let Err(error) = served {
                    debug!(%peer, %error, "admin connection");
                }
            });
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
        if self.drain.is_cancelled() {
            text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        } else {
            text(StatusCode::OK, "ok\n")
        }
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
