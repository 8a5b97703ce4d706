//! Three machines of a fleet over a store that is an enemy: it repeats, alters, cuts, joins and
//! moves what machines have said, adds what none has said, and answers calls with anything.
//!
//! After each step, at each machine:
//! - a session that resumes is one that a machine has made, with its content, under its scope, and
//!   has not ended;
//! - it does not resume again once the machine has learned of its removal or revocation, and only
//!   what was removed counts as removed.
//!
//! In the end, each machine gets to the end of what it has to say. When all of it has arrived, in
//! any order, what was removed or revoked resumes nowhere, and all else everywhere.
#![no_main]

mod answers;
mod clock;
mod machine;
mod session;
mod store;
mod truth;
mod world;

use libfuzzer_sys::fuzz_target;

use crate::world::{Operation, Setup, World};

/// More of them make inputs slow, and find nothing else.
const MOST_OPERATIONS: usize = 48;

fuzz_target!(|input: (Setup, Vec<Operation>)| {
    let (setup, operations) = input;
    let mut world = World::new(&setup);
    for operation in operations.into_iter().take(MOST_OPERATIONS) {
        world.run(operation);
        world.check();
    }
    world.end();
});
