//! A fleet in one thread, which a seed decides: machines that make, remove, take and revoke
//! sessions, over a store that loses, keeps back, doubles and reorders what they say, is down, full
//! or fails over, and repeats old values; machines that are cut off, restart and join late; clocks
//! that are apart, periods that turn over, limits that are too small. All but the connections is
//! the real code.
//!
//! 1. A machine that knows of a removal does not resume the session from then on.
//! 2. When all that was said has arrived, no machine resumes a session that was removed, taken or
//!    revoked before, nor one that has ended. Except: a machine that restarts forgets what it was
//!    to say, so what only such a machine knew, and the store has lost, is not known.
//! 3. When nothing fails, every session is on every machine.
//! 4. What is remembered is bounded, and each machine gets to the end of what it has to say.
//!
//! A million runs, a quarter of an hour on two cores:
//!
//! ```sh
//! REKINDLE_FLEET_RUNS=1000000 cargo test --release --package rekindle-fleet --all-features \
//!     --lib simulation
//! ```

mod clock;
mod node;
mod random;
mod runs;
mod store;
mod world;

use std::time::Duration;

const LIFETIME: Duration = Duration::from_secs(600);
const PERIOD: Duration = Duration::from_secs(300);
