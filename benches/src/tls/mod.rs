//! What the parts with handshakes share: kinds of handshakes, contexts, servers, connections in
//! memory.

mod context;
mod ffi;
mod kind;
mod server;

pub(crate) use context::{
    Pipe, SERVER_NAME, client_builder, new_ssl, read_identity, receive_tickets, server_builder,
    shake_hands, step,
};
pub(crate) use ffi::{
    add_session, count_opened, offer, opened, remove_session, request_ticket, ticket_of,
};
pub(crate) use kind::HandshakeKind;
pub(crate) use server::{Server, Store, session};
