//! Tests of the PROXY protocol against bytes of the specification and of HAProxy.

mod headers;
mod hostile;
mod known;
mod random;
mod sent;
