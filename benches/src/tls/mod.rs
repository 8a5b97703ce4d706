//! What the parts with handshakes share: kinds of handshakes, contexts, servers, connections in
//! memory.

mod connection;
mod context;
mod ffi;
mod kind;
mod server;

pub(crate) use connection::{Pipe, new_ssl, receive_tickets, shake_hands, step};
pub(crate) use context::{SERVER_NAME, client_builder, read_identity, server_builder};
pub(crate) use ffi::{count_opened, offer, opened, request_ticket, ticket_of};
pub(crate) use kind::HandshakeKind;
pub(crate) use server::{Server, Store};
