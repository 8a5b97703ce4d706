//! What a session is bound to: the server name that it was made under, the scope of its context,
//! and that it was not revoked.

#[path = "../common/clock.rs"]
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod names;
mod revocation;
mod scope;
