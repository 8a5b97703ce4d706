//! Handshakes that wait for a session of another machine, before OpenSSL looks it up.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use openssl::error::ErrorStack;
use openssl::ssl::{self, ClientHelloResponse, ErrorCode, SslRef};
use rekindle::resume::Scope;
use rekindle_fleet::Fleet;

/// Asks the fleet's store for the sessions that clients name.
#[derive(Debug, Clone)]
pub(crate) struct SessionFetch(Arc<Fleet>);

impl SessionFetch {
    pub(crate) fn new(fleet: Arc<Fleet>) -> Self {
        Self(fleet)
    }

    /// What a ClientHello callback returns, once it is clear what the session must belong to.
    pub(super) fn on_client_hello(
        fetch: Option<&Self>,
        ssl: &mut SslRef,
        scope: &Scope,
    ) -> Result<ClientHelloResponse, ErrorStack> {
        match fetch {
            Some(Self(fleet)) => fleet.on_client_hello(ssl, scope),
            None => Ok(ClientHelloResponse::SUCCESS),
        }
    }
}

/// What the handshake of one connection waits for before its next step.
#[derive(Default)]
pub(super) struct FetchWait(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl FetchWait {
    /// Ready when there is nothing more to wait for.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(waits) = &mut self.0 {
            ready!(waits.as_mut().poll(cx));
            self.0 = None;
        }
        Poll::Ready(())
    }

    /// Whether a step of the handshake is to be taken again, after a wait.
    pub(super) fn begins<T>(&mut self, step: &Poll<Result<T, ssl::Error>>, ssl: &SslRef) -> bool {
        let is_fetch = matches!(step, Poll::Ready(Err(error))
            if error.code() == ErrorCode::WANT_CLIENT_HELLO_CB);
        if is_fetch {
            self.0 = Fleet::awaited(ssl).map(|waits| Box::pin(waits) as _);
        }
        is_fetch
    }
}

impl fmt::Debug for FetchWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FetchWait").field(&self.0.is_some()).finish()
    }
}
