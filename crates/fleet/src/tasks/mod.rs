//! What the fleet's thread does, each with connections of its own.

mod backfill;
mod backlog;
mod backoff;
mod breaker;
mod fetch;
mod follow;
mod pace;
mod publish;
mod shared;
mod stop;

pub(crate) use self::backfill::backfill;
pub(crate) use self::fetch::{Request, Requests, fetch};
pub(crate) use self::follow::follow;
pub(crate) use self::publish::{maintain, publish};
pub(crate) use self::shared::Shared;

#[cfg(any(feature = "fuzzing", all(test, feature = "rustls")))]
pub(crate) use self::publish::take_note;
#[cfg(all(test, feature = "rustls"))]
pub(crate) use self::{
    backlog::Backlog,
    follow::{Place, begin},
};
