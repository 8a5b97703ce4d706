//! The strike register: within its window it knows every flight that it has let in. When it has no
//! room, it says so.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use rekindle::resume::{Strike, StrikeRegister};
use rekindle::{ConfigError, ManualClock, SessionId};

const WINDOW: Duration = Duration::from_secs(30);

fn flight(number: u32) -> SessionId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SessionId::new(&bytes).unwrap()
}

#[derive(Clone, Debug)]
enum Act {
    Strike(u32),
    /// As many others.
    Flood(u32),
    /// In milliseconds.
    Pass(u64),
    Maintain,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0_u32..40).prop_map(Act::Strike),
        1 => (1_u32..60).prop_map(Act::Flood),
        2 => (0_u64..12_000).prop_map(Act::Pass),
        1 => Just(Act::Maintain),
    ]
}

proptest! {
    #[test]
    fn within_the_window_no_flight_is_the_first_twice(
        acts in prop::collection::vec(act(), 200),
        per_second in 1_usize..4,
    ) {
        let clock = Arc::new(ManualClock::new());
        let register = StrikeRegister::with_clock(per_second, WINDOW, clock.clone()).unwrap();
        // When each flight was let in.
        let (mut known, mut now, mut others) = (HashMap::new(), Duration::ZERO, 1_000);
        let mut strike = |number: u32, now: Duration| {
            let let_in = known.get(&number).copied();
            let is_known = let_in.is_some_and(|at: Duration| now <= at + WINDOW);
            match register.strike(&flight(number)) {
                Strike::First => {
                    prop_assert!(!is_known, "{number} again, {now:?}");
                    known.insert(number, now);
                }
                Strike::Again => prop_assert!(is_known, "{number} was forgotten by {now:?}"),
                Strike::Full => prop_assert!(!is_known, "{number} was not recognised"),
            }
            Ok(())
        };
        for act in acts {
            match act {
                Act::Strike(number) => strike(number, now)?,
                Act::Flood(flights) => {
                    for number in others..others + flights {
                        strike(number, now)?;
                    }
                    others += flights;
                }
                Act::Pass(millis) => {
                    clock.advance(Duration::from_millis(millis));
                    now += Duration::from_millis(millis);
                }
                Act::Maintain => register.maintain(),
            }
            prop_assert!(register.len() <= per_second * 30 * 4);
        }
    }
}

#[test]
fn of_many_threads_with_one_flight_one_is_the_first() {
    let register = StrikeRegister::new(100, WINDOW).unwrap();
    let first = AtomicUsize::new(0);
    thread::scope(|threads| {
        let strike = || {
            for number in 0..2_000 {
                if register.strike(&flight(number)) == Strike::First {
                    first.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        // Joined one by one: how a scope waits is inside std, where thread sanitizer sees nothing.
        let running = [(); 8].map(|()| threads.spawn(strike));
        for thread in running {
            thread.join().unwrap();
        }
    });
    let known = register.len();
    assert_eq!(first.into_inner(), known);
    assert_eq!(known, 2_000, "at a sixth of its capacity");
}

/// At the rate it was made for it refuses hardly any, at four times that rate one in fifty, above
/// most.
#[test]
fn it_is_full_as_seldom_as_it_says() {
    for (times, at_least, at_most) in [
        (1, 0.0, 0.0005),
        (2, 0.0, 0.005),
        (4, 0.0, 0.03),
        (8, 0.5, 0.52),
    ] {
        let register = StrikeRegister::new(1_000, WINDOW).unwrap();
        let flights = 30_000 * times;
        let is_full = |number: &u32| register.strike(&flight(*number)) == Strike::Full;
        let full = (0..flights).filter(is_full).count() as f64 / f64::from(flights);
        assert!((at_least..=at_most).contains(&full), "{times}: {full}");
    }
}

#[test]
fn a_register_for_no_flights_is_an_error() {
    let none = StrikeRegister::new(0, WINDOW);
    assert!(matches!(none, Err(ConfigError::Capacity(0))));
    let no_time = StrikeRegister::new(1, Duration::ZERO);
    assert!(matches!(no_time, Err(ConfigError::Capacity(0))));
    let too_many = StrikeRegister::new(usize::MAX, WINDOW);
    assert!(matches!(too_many, Err(ConfigError::Capacity(_))));
    let shown = format!("{:?}", StrikeRegister::new(1, WINDOW).unwrap());
    assert!(shown.contains("flights: 0"), "{shown}");
}
