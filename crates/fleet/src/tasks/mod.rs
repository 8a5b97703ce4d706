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
pub(crate) use self::backlog::{Backlog, Gap};
pub(crate) use self::fetch::{Request, Requests, fetch};
pub(crate) use self::follow::{begin_behind, follow};
pub(crate) use self::publish::{maintain, publish, take_note};
pub(crate) use self::shared::Shared;
