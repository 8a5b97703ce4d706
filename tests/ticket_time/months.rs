//! Months in which time passes, the wall clock steps, files change and processes restart.

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};
use rekindle::tickets::TicketPolicy;

use super::model::{Event, Model};
use super::operator::Provider;
use super::{DAY, HOUR, MINUTE, policy};

fn policies() -> impl Strategy<Value = TicketPolicy> {
    prop_oneof![
        Just(policy(HOUR, 2 * HOUR, 30 * DAY)),
        Just(policy(HOUR, 2 * HOUR, 12 * HOUR)),
        Just(policy(HOUR, HOUR, 2 * HOUR)),
        Just(policy(10 * MINUTE, HOUR, 6 * HOUR)),
        Just(policy(6 * HOUR, DAY, 3 * DAY)),
    ]
}

/// Some hundreds of events; time passes by an hour or two on average.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let minutes = 10 * MINUTE as i64;
    let hours = 4 * HOUR as i64;
    let event = prop_oneof![
        6 => (1..2 * MINUTE).prop_map(Event::Pass),
        6 => (1..2 * HOUR).prop_map(Event::Pass),
        4 => (1..12 * HOUR).prop_map(Event::Pass),
        1 => (1..3 * DAY).prop_map(Event::Pass),
        4 => (1..300_u64).prop_map(Event::Serve),
        6 => Just(Event::Maintain),
        4 => (-minutes..=minutes).prop_map(Event::Step),
        1 => (-hours..=hours).prop_map(Event::Step),
        2 => Just(Event::Reload),
        2 => Just(Event::Reload),
        4 => Just(Event::Rotate),
        1 => Just(Event::Drop),
        1 => Just(Event::BringBack),
        1 => (0..3 * DAY).prop_map(Event::Restart),
    ];
    prop::collection::vec(event, 100..500)
}

/// The same cases each time, for a gate has to say the same of the same code.
/// `REKINDLE_MONTHS=1000` tries that many others.
fn config() -> ProptestConfig {
    let others = std::env::var("REKINDLE_MONTHS").ok();
    let others = others.map(|cases| cases.parse().expect("a number of cases"));
    ProptestConfig {
        cases: others.unwrap_or(12),
        rng_seed: others.map_or(RngSeed::Fixed(2026), |_| RngSeed::Random),
        // Smaller cases take their time, too.
        max_shrink_iters: 600,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    }
}

macro_rules! months {
    ($($name:ident: $provider:ident;)*) => {
        proptest! {
            #![proptest_config(config())]
            $(#[test]
            fn $name(policy in policies(), events in events()) {
                let mut model = Model::new(Provider::$provider, policy);
                events.iter().for_each(|event| model.apply(event));
            })*
        }
    };
}

months! {
    keys_of_the_rings_own: Own;
    keys_from_a_file_without_times: Records;
    keys_from_a_file_with_times: Timed;
    keys_from_a_secret: Derived;
    keys_from_a_secret_with_a_ratchet: Ratchet;
}
