//! Fetching a session in the middle of a handshake of OpenSSL, before it looks the session up.

use std::future::Future;
use std::sync::{Mutex, OnceLock, PoisonError};

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{ClientHelloResponse, Ssl, SslRef};
use rekindle::openssl::client_hello_session;
use rekindle::resume::Scope;
use tokio::sync::oneshot;

use crate::fleet::Fleet;

/// What a connection waits for; nothing any more once that was taken.
type Waiting = Mutex<Option<oneshot::Receiver<bool>>>;

static INDEX: OnceLock<Index<Ssl, Waiting>> = OnceLock::new();

fn index() -> Result<Index<Ssl, Waiting>, ErrorStack> {
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let index = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| index))
}

impl Fleet {
    /// To be returned by a [ClientHello callback] of a context with that scope: fetches the session
    /// that the client names, if it is not here.
    ///
    /// If it is to be waited for, the handshake ends with [`WANT_CLIENT_HELLO_CB`], and goes on
    /// when it is called again after what [`awaited`](Self::awaited) returns.
    ///
    /// # Errors
    ///
    /// OpenSSL has no memory.
    ///
    /// [ClientHello callback]: openssl::ssl::SslContextBuilder::set_client_hello_callback
    /// [`WANT_CLIENT_HELLO_CB`]: openssl::ssl::ErrorCode::WANT_CLIENT_HELLO_CB
    pub fn on_client_hello(
        &self,
        ssl: &mut SslRef,
        scope: &Scope,
    ) -> Result<ClientHelloResponse, ErrorStack> {
        let index = index()?;
        // Once for each connection: OpenSSL calls again when it has waited, and for a second
        // ClientHello.
        if ssl.ex_data(index).is_some() {
            return Ok(ClientHelloResponse::SUCCESS);
        }
        let session = client_hello_session(ssl);
        match session.map(|id| self.request(id, *scope)) {
            Some(Ok(waits)) => {
                ssl.set_ex_data(index, Mutex::new(Some(waits)));
                Ok(ClientHelloResponse::RETRY)
            }
            None | Some(Err(_)) => Ok(ClientHelloResponse::SUCCESS),
        }
    }

    /// What a connection waits for whose handshake has ended with `WANT_CLIENT_HELLO_CB`.
    pub fn awaited(ssl: &SslRef) -> Option<impl Future<Output = ()> + Send + use<>> {
        let waiting = ssl.ex_data(*INDEX.get()?)?;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = waiting.take()?;
        Some(async move {
            // The handshake goes on, also without the session.
            let _ = waits.await;
        })
    }
}
