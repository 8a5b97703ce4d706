//! Reclamation: who may be looking at memory, and what becomes of memory that left the table.

pub(crate) mod garbage;
pub(crate) mod lines;
pub(crate) mod pool;
pub(crate) mod readers;
pub(crate) mod writers;

pub(super) use garbage::Retired;
pub(super) use lines::LineStore;
pub(super) use pool::Pool;
pub(crate) use readers::Pin;
pub(crate) use readers::thread_number;
pub(crate) use writers::pin as pin_writer;

/// Makes what all threads share, so that no lookup and no insert waits for another thread's first one.
pub(super) fn make_ready() {
    readers::make_ready();
    writers::make_ready();
}
