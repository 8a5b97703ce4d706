//! Upstreams: where decrypted bytes go.
//!
//! [`pool`] has all of them and chooses. [`peer`] is one of them, and [`health`] tells whether it
//! is up. [`dial`] makes a connection to one address; where the upstream has a name, [`connect`]
//! tries its addresses. A [`connection`] is what comes out, otherwise an [`error`].

mod connect;
mod connection;
mod dial;
mod error;
mod health;
mod peer;
mod pool;
mod stream;

pub(crate) use self::connection::Connection;
pub(crate) use self::peer::UpstreamStatus;
pub(crate) use self::pool::{UpstreamSet, Upstreams};
