//! The servers: each terminates TLS and forwards the plain bytes over TCP, and each is configured
//! alike as far as it lets itself be.

mod start;
mod terminator;

pub(super) use start::{Contender, Server, available};
pub(super) use terminator::build as build_terminator;
