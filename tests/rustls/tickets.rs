//! Tickets alone: what opens, what does not, what is told of their lifetime, and what is counted.

use std::sync::Arc;
use std::time::Duration;

use rekindle::ManualClock;
use rekindle::rustls::{Resumption, Scope, Ticketer};
use rekindle::tickets::{TicketPolicy, TicketRing};
use rustls::crypto::ring;
use rustls::server::ProducesTickets;

const HOUR: Duration = Duration::from_secs(3_600);

fn ticketer(clock: &Arc<ManualClock>) -> (Resumption, Arc<Ticketer>) {
    let policy = TicketPolicy::default().period(HOUR).lifetime(2 * HOUR);
    let ring = TicketRing::builder().policy(policy).clock(clock.clone());
    let ring = Arc::new(ring.build().unwrap());
    let resumption = Resumption::builder().ticket_ring(ring).build().unwrap();
    let ticketer = resumption.ticketer(&Scope::new("a"));
    (resumption, ticketer)
}

/// The second one has AES-256-GCM from a provider.
fn both(resumption: &Resumption) -> [Arc<Ticketer>; 2] {
    let (scope, provider) = (Scope::new("a"), ring::default_provider());
    [
        resumption.ticketer(&scope),
        resumption.ticketer_with_provider(&scope, &provider),
    ]
}

#[test]
fn a_ticket_opens_to_its_value_and_no_two_are_alike() {
    let (resumption, _) = ticketer(&Arc::default());
    let ticketers = both(&resumption);
    for len in [0, 1, 15, 16, 300, 9_000] {
        let value: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let [one, other] = (ticketers.each_ref()).map(|ticketer| ticketer.encrypt(&value).unwrap());
        assert_ne!(one, other);
        assert!(
            !one.windows(16)
                .any(|part| value.len() >= 16 && part == &value[..16])
        );
        for ticketer in &ticketers {
            for ticket in [&one, &other] {
                assert_eq!(ticketer.decrypt(ticket), Some(value.clone()));
            }
        }
    }
}

#[test]
fn a_ticket_with_any_bit_changed_or_cut_anywhere_does_not_open() {
    let (resumption, ticketer) = ticketer(&Arc::default());
    let ticketers = both(&resumption);
    let ticket = ticketer.encrypt(b"the value of a session").unwrap();
    let opens = |ticket: &[u8]| {
        let [own, of_provider] = ticketers.each_ref().map(|with| with.decrypt(ticket));
        assert_eq!(own, of_provider);
        own.is_some()
    };
    for at in 0..ticket.len() {
        for bit in 0..8 {
            let mut changed = ticket.clone();
            changed[at] ^= 1 << bit;
            assert!(!opens(&changed), "bit {bit} of byte {at}");
        }
        assert!(!opens(&ticket[..at]), "{at} bytes");
    }
    assert!(!opens(&[&ticket[..], &[0]].concat()));
    let stats = resumption.ticket_stats();
    let (mark, name) = (16 * 8, 16 * 8);
    // Cut within what every ticket has, or without the mark.
    assert_eq!(stats.malformed, 2 * (mark + (16 + 16 + 24 + 8 + 16)));
    assert_eq!(stats.unknown_key, 2 * name);
    assert_eq!(stats.opened, 0);
}

#[test]
fn the_lifetime_is_that_of_the_ticket_that_was_sealed_last() {
    let clock = Arc::new(ManualClock::new());
    let (_, ticketer) = ticketer(&clock);
    // A key opens for the lifetime after it has sealed for the last time.
    assert_eq!(ticketer.lifetime(), 7_200);
    ticketer.encrypt(b"value").unwrap();
    assert_eq!(ticketer.lifetime(), 7_200);
    // A key that is given and never replaced has an end.
    let policy = TicketPolicy::default()
        .period(HOUR)
        .lifetime(2 * HOUR)
        .max_age(5 * HOUR);
    let keys = rekindle::tickets::TicketKeys::random().unwrap();
    let ring = TicketRing::builder()
        .policy(policy)
        .clock(clock.clone())
        .keys(&keys);
    let resumption = Resumption::builder().ticket_ring(Arc::new(ring.build().unwrap()));
    let resumption = resumption.build().unwrap();
    let ticketer = resumption.ticketer(&Scope::new("a"));
    clock.advance(3 * HOUR - Duration::from_secs(1));
    let ticket = ticketer.encrypt(b"value").unwrap();
    // The ring changes between the two questions.
    clock.advance(Duration::from_secs(2));
    resumption.maintain().unwrap();
    let told = ticketer.lifetime();
    assert_eq!(told, 7_200);
    clock.advance(Duration::from_secs(u64::from(told) - 3));
    assert!(ticketer.decrypt(&ticket).is_some());
    clock.advance(Duration::from_secs(3));
    assert!(ticketer.decrypt(&ticket).is_none());
}

#[test]
fn what_is_no_ticket_is_none() {
    let (resumption, ticketer) = ticketer(&Arc::default());
    for length in [0, 1, 16, 47, 48, 71, 72, 100, 65_535] {
        assert_eq!(ticketer.decrypt(&vec![0x5A; length]), None);
    }
    assert_eq!(resumption.ticket_stats().malformed, 9);
    assert!(ticketer.enabled());
    let shown = format!("{ticketer:?} {resumption:?}");
    assert!(shown.contains("Scope("), "{shown}");
}
