//! Lock-free collections that know nothing of sessions.

mod append_list;
mod drop_all;

pub(crate) use append_list::AppendList;
pub(crate) use drop_all::drop_all;
