//! What a session costs in memory, at the engine and at its peers.
//!
//! Each measurement is made by a process of its own, which this one starts from its own program:
//! there the allocator is fresh, and what the process grows by is what the contender took. That is
//! divided by the number of sessions that are found afterwards. `overhead` is what remains of it
//! besides the encoded bytes; the id of 32 bytes, the value of 8 and the end of the session's life
//! are in it, and for ours what has left the table and waits for its grace period.
//!
//! Sessions are inserted by one thread. All use the allocator of the system (glibc's, as a rule);
//! it is not asked to trim, so that what it keeps for later counts.

mod job;
mod process;
mod run;
mod tls;

pub(crate) use job::Job;
pub(crate) use process::answer;
pub(crate) use run::{JOB, Options, run};
pub(crate) use tls::{TLS_JOB, TlsJob};
