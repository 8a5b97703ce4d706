//! Reclamation: which threads may be looking at memory, and what becomes of memory that left the
//! table.

pub(crate) mod garbage;
pub(crate) mod lines;
pub(crate) mod memory;
pub(crate) mod pool;
pub(crate) mod protection;
pub(crate) mod readers;
mod spares;
pub(crate) mod writers;
