//! The demo: prints commands to paste, answers by itself, and tells each visitor how the handshake
//! went.

mod instructions;
mod page;
mod responder;

pub(super) use self::instructions::instructions;
pub(super) use self::responder::Demo;
