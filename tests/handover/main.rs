//! A process hands over to its successor: what resumed before does after, and what must not, does
//! not. Both are in this process, which is as good: all that goes from one to the other is bytes.
#![allow(clippy::disallowed_types)] // locks: not library code

#[path = "../common/clock.rs"]
mod clock;
#[path = "../common/mod.rs"]
mod common;
#[path = "../early_data/flight.rs"]
#[allow(dead_code, reason = "the tests of early data use the rest")]
mod flight;

mod early_data;
mod hostile;
mod sessions;

use std::convert::Infallible;
use std::sync::Arc;

use rekindle::openssl::{Handover, InheritedState, Resumption, ResumptionBuilder};
use rekindle::tickets::{InheritedRing, TicketRing};

use clock::TwoClocks;
use common::Mechanism;

/// All that a successor gets before its predecessor stops.
struct State {
    ring: Vec<u8>,
    state: Vec<u8>,
}

impl State {
    fn of(handover: &Handover<'_>, resumption: &Resumption) -> Self {
        Self {
            ring: resumption.ticket_ring().to_bytes().to_vec(),
            state: handover.state().to_vec(),
        }
    }

    fn successor(
        &self,
        kind: Mechanism,
        clock: &Arc<TwoClocks>,
        configure: impl FnOnce(ResumptionBuilder) -> ResumptionBuilder,
    ) -> Resumption {
        let ring = InheritedRing::parse(&self.ring).unwrap();
        let ring = TicketRing::builder().clock(clock.clone()).inherit(ring);
        let builder = Resumption::builder()
            .stateless_tickets(kind.stateless())
            .ticket_ring(Arc::new(ring.build().unwrap()))
            .inherit(InheritedState::parse(&self.state).unwrap());
        configure(builder).build().unwrap()
    }
}

/// Sends sessions at once. The number of batches.
fn send_sessions(handover: &mut Handover<'_>, most: usize, to: &Resumption) -> usize {
    let mut batches = 0;
    let sent = handover.sessions(most, |batch| {
        to.inherit_sessions(batch).unwrap();
        batches += 1;
        Ok::<_, Infallible>(())
    });
    sent.unwrap();
    batches
}

/// A whole handover.
fn hand_over(from: &Resumption, kind: Mechanism, clock: &Arc<TwoClocks>) -> Resumption {
    let mut handover = from.hand_over();
    let successor = State::of(&handover, from).successor(kind, clock, |builder| builder);
    send_sessions(&mut handover, usize::MAX, &successor);
    successor
        .inherit_flights(&handover.close_early_data())
        .unwrap();
    send_sessions(&mut handover, usize::MAX, &successor);
    handover.finish();
    successor
}
