//! Lock-free collections that know nothing of sessions.

mod append_list;
mod stack;

pub(crate) use append_list::AppendList;
pub(crate) use stack::Stack;
