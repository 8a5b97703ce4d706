//! Lock-free collections that know nothing of sessions.

mod append_list;

pub(crate) use append_list::AppendList;
