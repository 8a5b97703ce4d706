//! A restart that loses nothing: the process that serves hands everything over to its successor,
//! and then drains.
//!
//! The successor has connected to the Unix socket of `--handover`, or was started by SIGUSR2 with
//! an end of a socket pair as its standard input. Both are of one user, as each makes sure: what is
//! handed over are secrets.
//!
//! ```text
//! successor                     predecessor
//! HELLO version, sessions  ->
//!                          <-   SOCKET for each (the descriptor is attached)
//!                          <-   RING, STATE
//!                          <-   SESSIONS ..., END        it goes on serving
//! PREPARED                 ->                            everything that can fail has not
//!                          <-   FLIGHTS, SESSIONS ..., END    it has stopped to accept
//! TAKEN                    ->
//!                          <-   GO                       it drains
//! ```
//!
//! Between PREPARED and GO, new connections wait in the kernel's queues. If anything fails before
//! GO, or the time for it is over, the predecessor accepts again, and the successor ends with an
//! error. So a flight of early data is accepted by one of them: the successor accepts after GO
//! only, the predecessor not after FLIGHTS.
//!
//! A message is a byte of its kind, the length of the rest in 4 bytes (big end first), and the
//! rest.

mod accepting;
mod channel;
mod error;
mod peer;
mod predecessor;
mod sockets;
mod start;
mod successor;

pub(crate) use self::accepting::{Accepting, AcceptingState};
pub(crate) use self::error::HandoverError;
pub(crate) use self::predecessor::{Predecessor, Rendezvous};
pub(crate) use self::sockets::{GivenSocket, Purpose, Sockets};
pub(crate) use self::start::{is_successor, start_successor};
pub(crate) use self::successor::Inheritance;
