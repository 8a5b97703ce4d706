//! A ticket opens as long as its client was told, and no longer, also when the wall clock steps.

use std::time::Duration;

use openssl::ssl::SslSession;
use proptest::prelude::*;
use rekindle::Clock;
use rekindle::openssl::ResumedBy;

use crate::common::{Client, Mechanism};
use crate::forge::older_by;
use crate::machine::{
    HOUR, Machine, a_clock, cases, given_key, given_keys, hint_of, own_keys, rotating_keys, secs,
    timeout,
};
use crate::records::record;

const TIMEOUT: u64 = 150;

#[test]
pub(crate) fn the_last_second_counts_and_the_next_does_not() {
    for kind in Mechanism::TICKETS {
        // Sealed anywhere in a second, and with any step of the wall clock since.
        for (issued_at, step) in [(0, 0), (999, 0), (500, -900), (1, 900), (999, -86_400)] {
            let (machine, client) = Machine::and_client(kind, own_keys, timeout(TIMEOUT));
            let clock = &machine.clock;
            clock.pass(Duration::from_millis(issued_at));
            machine.connect(&client);
            let ticket = client.session();
            assert_eq!(hint_of(&ticket), TIMEOUT);
            clock.step(step);
            for (age, opens) in [(0, true), (0, true), (999, true), (1_000, false)] {
                let since_start = clock.now().as_millis() - 86_400_000 - issued_at;
                let left = TIMEOUT * 1_000 + age - since_start;
                let passes = if age == 0 { 30_000 } else { left };
                clock.pass(Duration::from_millis(passes));
                let resumed = machine.offer(&client, &ticket).resumed();
                assert_eq!(resumed, opens, "{kind:?}, {issued_at} ms, {step} s, {age}");
            }
            let stats = machine.stats();
            assert_eq!((stats.opened, stats.expired, stats.unusable), (3, 1, 0));
        }
    }
}

#[test]
fn a_key_opens_up_to_what_its_last_tickets_were_told() {
    for kind in Mechanism::TICKETS {
        let (machine, client) = Machine::and_client(kind, |c| rotating_keys(c, 100, 60), |b| b);
        machine.clock.pass(Duration::from_millis(99_999));
        machine.connect(&client);
        let ticket = client.session();
        assert_eq!(hint_of(&ticket), 60, "{kind:?}");
        machine.has_its_last_second_after(60, &client, &ticket);
        assert_eq!(machine.stats().retired_key, 1, "{kind:?}");
    }
}

#[test]
fn tickets_from_elsewhere_go_by_the_time_of_day() {
    for kind in Mechanism::TICKETS {
        let (a_clock, b_clock) = (a_clock(), a_clock());
        let build = |clock| {
            let ring = given_keys(clock, &record(1));
            Machine::with(clock, kind, ring, timeout(TIMEOUT))
        };
        let (a, b) = (build(&a_clock), build(&b_clock));
        let client = a.visitor();
        let ticket = client.session();
        // Much more time has passed on the other machine, by the clock of its own tickets.
        b_clock.pass(secs(5 * HOUR));
        b_clock.step(-5 * HOUR as i64 + TIMEOUT as i64);
        assert!(b.offer(&client, &ticket).resumed(), "{kind:?}");
        b_clock.step(1);
        assert!(!b.offer(&client, &ticket).resumed(), "{kind:?}");
        b_clock.step(-1_000);
        let again = b.offer(&client, &ticket);
        assert!(again.resumed(), "not issued yet, {kind:?}");
        assert!(a.offer(&client, &ticket).resumed(), "{kind:?}");
        assert_eq!(b.stats().expired, 1, "{kind:?}");
    }
}

#[test]
fn a_foreign_ticket_that_passes_for_our_own_is_as_old_as_the_wall_clock_says() {
    for kind in Mechanism::TICKETS {
        let (machine, client) = Machine::and_client(kind, given_key(1), timeout(TIMEOUT));
        machine.connect(&client);
        let ticket = client.session();
        // The IV says that this process has just sealed it, as one of 2^24 foreign ones does.
        let foreign = older_by(TIMEOUT as u32 - 10, &ticket, 1);
        assert!(machine.offer(&client, &foreign).resumed(), "{kind:?}");
        assert_eq!(machine.stats().ages_sum, TIMEOUT - 10);
        machine.pass(11);
        assert!(!machine.offer(&client, &foreign).resumed(), "{kind:?}");
        assert_eq!(machine.stats().expired, 1);
        assert!(machine.offer(&client, &ticket).resumed(), "{kind:?}");
    }
}

/// What a client, the clocks and the operator may do.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Time passes, in milliseconds.
    Pass(u64),
    /// The operator sets the wall clock, in seconds.
    Step(i64),
    Maintain,
    Connect,
    /// The client comes back with one of the last few tickets.
    Offer(prop::sample::Index),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0_u64..40_000).prop_map(Act::Pass),
        1 => (0_u64..1_500).prop_map(Act::Pass),
        2 => (-600_i64..600).prop_map(Act::Step),
        1 => Just(Act::Maintain),
        1 => Just(Act::Connect),
        6 => any::<prop::sample::Index>().prop_map(Act::Offer),
    ]
}

/// A ticket, and what its client was told.
struct Ticket {
    session: SslSession,
    /// By the clock that never steps.
    issued_at: u64,
    hint: u64,
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn through_rotations_and_steps_of_the_time_of_day(
        acts in prop::collection::vec(act(), 60),
        period in 20_u64..100,
        lifetime in 100_u64..250,
        tls13 in any::<bool>(),
    ) {
        let kind = if tls13 { Mechanism::Tls13Ticket } else { Mechanism::Tls12Ticket };
        let clock = a_clock();
        let ring = rotating_keys(&clock, period, lifetime);
        let machine = Machine::with(&clock, kind, ring, timeout(TIMEOUT));
        let client = Client::new(kind);
        let mut tickets: Vec<Ticket> = Vec::new();
        for act in acts {
            let now = clock.now().as_millis();
            let fresh = |hint| Ticket { session: client.session(), issued_at: now, hint };
            match act {
                Act::Pass(millis) => clock.pass(Duration::from_millis(millis)),
                Act::Step(seconds) => clock.step(seconds),
                Act::Maintain => machine.resumption.maintain().unwrap(),
                Act::Connect => {
                    machine.connect(&client);
                    let hint = hint_of(&client.session());
                    prop_assert_eq!(hint, TIMEOUT.min(lifetime));
                    tickets.push(fresh(hint));
                }
                Act::Offer(which) if !tickets.is_empty() => {
                    let last = tickets.len().min(6);
                    let at = tickets.len() - 1 - which.index(last);
                    let Ticket { session, issued_at, hint } = &tickets[at];
                    let (age, hint) = (now - issued_at, *hint);
                    let again = machine.offer(&client, session);
                    if age <= hint * 1_000 {
                        prop_assert!(again.resumed(), "at {age} ms of {hint} s");
                    }
                    if age >= (hint + 1) * 1_000 {
                        prop_assert!(!again.resumed(), "at {age} ms of {hint} s");
                    }
                    match (again.resumed_by(), tls13) {
                        // A session of its own.
                        (Some(_), true) => {
                            let hint = hint_of(&client.session());
                            prop_assert_eq!(hint, TIMEOUT.min(lifetime));
                            tickets.push(fresh(hint));
                        }
                        // The same session goes on.
                        (Some(ResumedBy::RenewedTicket), false) => {
                            let session = again.server.ssl().session().unwrap();
                            let hint = TIMEOUT.min(age / 1_000 + lifetime);
                            prop_assert_eq!(session.timeout(), hint as i64);
                            let issued_at = *issued_at;
                            tickets.push(Ticket { issued_at, ..fresh(hint) });
                        }
                        (Some(_), false) => {}
                        (None, _) => tickets.push(fresh(hint_of(&client.session()))),
                    }
                }
                Act::Offer(_) => {}
            }
        }
        let stats = machine.stats();
        prop_assert_eq!((stats.unusable, stats.bad_mac, stats.unknown_key), (0, 0, 0));
        prop_assert_eq!(stats.ages.iter().sum::<u64>(), stats.opened + stats.renewed);
    }
}
