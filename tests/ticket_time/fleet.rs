//! Machines that share a secret, without talking to each other.

use std::collections::HashMap;
use std::sync::Arc;

use rekindle::tickets::{TicketRing, TicketSecret};

use super::clock::TwoClocks;
use super::{DAY, EPOCH, MINUTE, builder, clock, opens, policy, sealing, seconds};

const PERIOD: u64 = 2 * MINUTE;
const LIFETIME: u64 = 5 * MINUTE;

struct Machine {
    /// How far its clock is ahead, in seconds.
    ahead: i64,
    /// When it is started.
    from: u64,
    secret: TicketSecret,
    running: Option<(Arc<TwoClocks>, TicketRing)>,
}

impl Machine {
    fn new(ahead: i64, from: u64, secret: &TicketSecret) -> Self {
        let secret = secret.clone();
        Self {
            ahead,
            from,
            secret,
            running: None,
        }
    }

    /// One second passes, with maintenance.
    fn pass(&mut self, second: u64) {
        if let Some((clock, ring)) = &self.running {
            clock.pass(seconds(1));
            ring.maintain().expect("randomness");
        } else if second >= self.from {
            let unix = (EPOCH + second).checked_add_signed(self.ahead);
            let clock = clock(self.from * 7 + 1, unix.expect("it is long after 1970"));
            let builder = builder(&clock, policy(PERIOD, LIFETIME, DAY));
            let ring = builder.secret(&self.secret).build().expect("a ring");
            self.running = Some((clock, ring));
        }
    }

    fn ring(&self) -> Option<&TicketRing> {
        self.running.as_ref().map(|running| &running.1)
    }
}

/// At every second of several periods each machine opens the tickets of all machines.
fn all_agree(mut fleet: Vec<Machine>) {
    let mut sealed: HashMap<[u8; 16], u64> = HashMap::new();
    let mut rotations = 0;
    for second in 0..6 * PERIOD {
        fleet.iter_mut().for_each(|machine| machine.pass(second));
        for machine in &fleet {
            if let Some(ring) = machine.ring() {
                assert!(!ring.load().is_fallback(ring.now()));
                rotations += usize::from(sealed.insert(sealing(ring), second).is_none());
            }
        }
        sealed.retain(|_, last| second < *last + LIFETIME);
        for machine in &fleet {
            let Some(ring) = machine.ring() else {
                continue;
            };
            for (name, last) in &sealed {
                let (ahead, from) = (machine.ahead, machine.from);
                let what = format!("{ahead} s ahead, up at {from}, at {second}, sealed at {last}");
                assert!(opens(ring, name), "{what}: {ring:?}");
            }
        }
    }
    assert!(rotations >= 6, "{rotations} rotations");
}

fn secret(ratchet: bool) -> TicketSecret {
    let from = ratchet.then_some(seconds(EPOCH - DAY));
    TicketSecret::random(seconds(PERIOD), from).expect("randomness")
}

#[test]
fn two_machines_a_minute_apart_agree() {
    for ratchet in [false, true] {
        let secret = secret(ratchet);
        let machine = |ahead, from| Machine::new(ahead, from, &secret);
        all_agree(vec![machine(30, 0), machine(-30, 0)]);
        all_agree(vec![machine(30, 0), machine(-30, 3 * PERIOD)]);
        all_agree(vec![machine(30, 3 * PERIOD), machine(-30, 0)]);
    }
}

#[test]
fn five_machines_agree() {
    for ratchet in [false, true] {
        let secret = secret(ratchet);
        let fleet = [(30, 0), (-30, 0), (0, 1), (-17, 100), (23, 4 * PERIOD - 31)];
        let fleet = fleet.map(|(ahead, from)| Machine::new(ahead, from, &secret));
        all_agree(fleet.into());
    }
}

#[test]
fn machines_of_different_secrets_never_agree() {
    for ratchet in [false, true] {
        let mut fleet = [0; 2].map(|ahead| Machine::new(ahead, 0, &secret(ratchet)));
        for second in 0..6 * PERIOD {
            fleet.iter_mut().for_each(|machine| machine.pass(second));
            let [one, other] =
                [&fleet[0], &fleet[1]].map(|machine| machine.ring().expect("it runs"));
            assert!(!opens(one, &sealing(other)) && !opens(other, &sealing(one)));
        }
    }
}
