//! Reclamation: which threads may be looking at memory, and what becomes of memory that left the
//! table.

pub(crate) mod memory;
pub(crate) mod pin;
pub(crate) mod pool;
mod spares;
