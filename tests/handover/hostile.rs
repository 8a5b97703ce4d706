//! Bytes that are not what a predecessor sends: errors, and nothing worse.

use rekindle::StateError;
use rekindle::openssl::{EarlyData, InheritedState, Resumption};
use rekindle::tickets::InheritedRing;

use crate::clock::clock;
use crate::common::{Client, Mechanism, server};
use crate::flight::{Delivered, Flight, visited};
use crate::send_sessions;

/// Each cut and each changed byte.
fn all_wrong(bytes: &[u8], mut read: impl FnMut(&[u8]) -> Result<(), StateError>) {
    assert_eq!(read(bytes), Ok(()));
    for len in 0..bytes.len() {
        let _ = read(&bytes[..len]);
    }
    for place in 0..bytes.len() {
        for change in [0xff, 0x80, 1] {
            let mut changed = bytes.to_vec();
            changed[place] ^= change;
            let _ = read(&changed);
        }
    }
}

#[test]
fn no_bytes_do_harm() {
    let (before, context, client) = visited(Mechanism::Tls13Ticket, &clock());
    let flight = Flight::of(&client).bytes;
    assert!(Delivered::to(&context, &flight).unwrap().accepted());
    before.revoke(&rekindle::resume::Scope::new("a"));
    let cached = Client::new(Mechanism::Tls13Stateful);
    let stateful = Resumption::builder()
        .stateless_tickets(false)
        .build()
        .unwrap();
    cached.connect(&server(&stateful));

    let ring = before.ticket_ring().to_bytes();
    all_wrong(&ring, |bytes| InheritedRing::parse(bytes).map(drop));
    for len in 0..ring.len() {
        assert_eq!(
            InheritedRing::parse(&ring[..len]).map(drop),
            Err(StateError::Truncated)
        );
    }
    let longer = [&ring[..], &[0]].concat();
    assert_eq!(
        InheritedRing::parse(&longer).map(drop),
        Err(StateError::Truncated)
    );

    let mut handover = before.hand_over();
    all_wrong(&handover.state(), |bytes| {
        InheritedState::parse(bytes).map(drop)
    });
    let other = Resumption::builder().early_data(EarlyData::up_to(1));
    let other = other.build().unwrap();
    all_wrong(&handover.close_early_data(), |bytes| {
        other.inherit_flights(bytes)
    });

    let mut batch = Vec::new();
    let mut handover = stateful.hand_over();
    let sent: Result<(), ()> = handover.sessions(10, |bytes| {
        batch.extend_from_slice(bytes);
        Ok(())
    });
    assert_eq!((sent, batch.is_empty()), (Ok(()), false));
    all_wrong(&batch, |bytes| other.inherit_sessions(bytes));
    assert!(other.cache().len() <= other.cache().capacity());
    send_sessions(&mut handover, 10, &other);
}
