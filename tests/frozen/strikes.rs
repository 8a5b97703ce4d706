//! The strike register, with a thread that is frozen while it strikes a flight: no other thread is
//! told that the same flight is the first as well, and none is stopped.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use rekindle::SessionId;
use rekindle::resume::{Strike, StrikeRegister};

use crate::halted::Halted;

/// Flights of others while the thread stands.
const OTHERS: u32 = 2_000;

/// Flights that were there before.
const BEFORE: u32 = 20;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, number| {
        Trial::test(format!("strikes::{name}"), move || {
            let mut step = 0;
            while freeze(number, step) {
                step += 1;
            }
            assert!(step > 0, "the thread made no step");
            Ok(())
        })
    };
    vec![
        trial("of_a_flight_that_is_being_struck", BEFORE),
        trial("of_a_flight_that_is_known", 0),
    ]
}

fn flight(number: u32) -> SessionId {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SessionId::new(&bytes).expect("32 bytes")
}

/// Freezes a thread at one of its steps. False when it made fewer steps.
fn freeze(number: u32, step: usize) -> bool {
    let register = StrikeRegister::new(200, Duration::from_secs(30)).expect("in range");
    let register = Arc::new(register);
    for known in 0..BEFORE {
        assert_eq!(register.strike(&flight(known)), Strike::First);
    }
    let theirs = Arc::clone(&register);
    let mut to_go = step;
    let halt = move |_: &_| {
        to_go = to_go.wrapping_sub(1);
        to_go == usize::MAX
    };
    let Ok(victim) = Halted::start(|| (), move || theirs.strike(&flight(number)), halt) else {
        return false;
    };
    let ours = register.strike(&flight(number));
    for other in 1_000..1_000 + OTHERS {
        assert_eq!(register.strike(&flight(other)), Strike::First);
        assert_eq!(register.strike(&flight(other)), Strike::Again);
    }
    assert_eq!(register.strike(&flight(number)), Strike::Again);
    let both = [ours, victim.finish()];
    let first = both.iter().filter(|strike| **strike == Strike::First);
    let expected = usize::from(number >= BEFORE);
    assert_eq!(first.count(), expected, "step {step}: {both:?}");
    assert!(!both.contains(&Strike::Full), "step {step}: {both:?}");
    true
}
