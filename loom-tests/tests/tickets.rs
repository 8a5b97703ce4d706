//! The ring of ticket keys: updated while handshakes seal and open tickets.
//!
//! The real ring and the real keys on a stand-in for arc-swap, whose guarantees it has and whose
//! insides it has not: `src/sync/arc_swap.rs` tells what that leaves out.
#![cfg(loom)]

#[path = "../../tests/common/records.rs"]
mod records;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loom::thread;
use records::record;
use rekindle::tickets::{
    Fingerprint, KeyLookup, KeyPosition, KeyRing, TicketKeys, TicketPolicy, TicketRing,
};
use rekindle::{Clock, Time};
use rekindle_loom_tests::model;

/// A ring of the keys with these numbers.
fn ring_of(keys: &[u8]) -> TicketRing {
    TicketRing::new(&keys_of(keys)).expect("keys that seal")
}

fn keys_of(keys: &[u8]) -> TicketKeys {
    let records: Vec<u8> = keys.iter().flat_map(|key| record(*key)).collect();
    TicketKeys::parse(&records).expect("keys")
}

/// What the models need of a ticket: the name of its key, and a MAC under that key's secrets.
struct Ticket {
    name: [u8; 16],
    mac: Fingerprint,
}

/// As the adapter seals (`src/openssl/sealer.rs`): everything from one load.
fn seal(ring: &TicketRing) -> Ticket {
    let (keys, now) = ring.load_to_seal();
    let key = keys.sealing(now).expect("one seals").key();
    Ticket {
        name: *key.name(),
        mac: key.fingerprint(),
    }
}

/// As the adapter opens: the number and the place of the key that did.
fn open(ring: &TicketRing, ticket: &Ticket) -> Option<(u8, usize)> {
    let keys = ring.load();
    let KeyLookup::Key(key, place) = keys.opening(&ticket.name, ring.now()) else {
        return None;
    };
    let mac = key.key().fingerprint();
    assert_eq!(mac, ticket.mac, "another key's ticket");
    let place = match place {
        KeyPosition::Sealing => 0,
        KeyPosition::Previous(n) => n,
        KeyPosition::Next => panic!("no key is to come"),
    };
    Some((ticket.name[0], place))
}

fn replace(ring: &TicketRing, keys: &[u8]) -> Fingerprint {
    ring.replace(&keys_of(keys))
        .expect("keys that seal")
        .sealing
}

fn fingerprint(key: u8) -> Fingerprint {
    keys_of(&[key]).iter().next().expect("one").fingerprint()
}

/// Runs `other` on a thread of its own beside `main`, both on a ring of key 1.
fn explore(main: fn(&Arc<TicketRing>), other: fn(&TicketRing), check: fn(&TicketRing)) {
    model(None, move || {
        let ring = Arc::new(ring_of(&[1]));
        let theirs = ring.clone();
        let thread = thread::spawn(move || other(&theirs));
        main(&ring);
        thread.join().expect("loom stops at a panic");
        check(&ring);
    });
}

/// A handshake seals a ticket and opens it again while another thread puts a new key in front: it
/// opens, whichever key sealed it, and no older ring comes back.
///
/// Catches a ring that is published before its keys are written, an update in two steps (the new
/// key is in force before the old one is in its second place), and a load that finds an older ring
/// than one before it.
#[test]
fn a_ticket_sealed_before_an_update_opens_after_it() {
    explore(
        |ring| {
            let ticket = seal(ring);
            match open(ring, &ticket) {
                Some((1, 0 | 1) | (2, 0)) => {}
                other => panic!("{other:?}"),
            }
        },
        |ring| {
            let before = seal(ring);
            replace(ring, &[2, 1]);
            assert_eq!(open(ring, &before), Some((1, 1)), "its own update is over");
        },
        |ring| assert_eq!(seal(ring).name[0], 2),
    );
}

/// One thread seals a ticket, another opens it, a third updates the ring.
///
/// Catches rings that threads keep to themselves for a while: a ticket would come to a thread that
/// does not know its key yet.
#[test]
fn a_ticket_opens_on_another_thread_than_it_was_sealed_on() {
    explore(
        |ring| {
            let ticket = seal(ring);
            let theirs = ring.clone();
            let opener = thread::spawn(move || open(&theirs, &ticket));
            let opened = opener.join().expect("loom stops at a panic");
            assert!(matches!(opened, Some((1, 0 | 1) | (2, 0))), "{opened:?}");
        },
        |ring| {
            replace(ring, &[2, 1]);
        },
        |ring| assert_eq!(seal(ring).name[0], 2),
    );
}

/// A handshake seals a ticket while two updates come, neither of which keeps a key: name and MAC
/// are one key's.
///
/// Catches a handshake that loads the ring twice, once for the name and once for the secret.
#[test]
fn a_ticket_has_the_name_and_the_secret_of_one_key() {
    explore(
        |ring| {
            let ticket = seal(ring);
            let key = ticket.name[0];
            assert!((1..=3).contains(&key));
            assert_eq!(ticket.mac, fingerprint(key));
        },
        |ring| {
            replace(ring, &[2]);
            replace(ring, &[3]);
        },
        |ring| assert_eq!(seal(ring).name[0], 3),
    );
}

/// Two updates at once: one of them is the last, whole, and each thread finds its own ring or the
/// other's when its own update is over. Each ring is wiped once; loom reports one that is not.
///
/// Catches an update that changes a part of the ring in use, or loses a ring with its secrets.
#[test]
fn of_two_updates_at_once_the_last_stays_whole() {
    fn update(ring: &TicketRing, key: u8) {
        assert_eq!(replace(ring, &[key, key + 10]), fingerprint(key));
        check(ring);
    }
    fn check(ring: &TicketRing) {
        let keys = ring.load();
        let names: Vec<u8> = keys.iter().map(|key| key.key().name()[0]).collect();
        assert!(names == [2, 12] || names == [3, 13], "{names:?}");
    }
    explore(|ring| update(ring, 2), |ring| update(ring, 3), check);
}

/// A ticket whose key leaves the ring while it is opened: it opens or its key is unknown, and then
/// stays so.
///
/// Catches a key that is found by its name in one ring and taken from its place in another.
#[test]
fn a_ticket_of_a_key_that_leaves_is_opened_or_unknown() {
    explore(
        |ring| {
            let ticket = Ticket {
                name: [1; 16],
                mac: fingerprint(1),
            };
            let opened = [open(ring, &ticket), open(ring, &ticket)];
            let (first, again) = (opened[0], opened[1]);
            assert!(matches!(first, None | Some((1, 0))), "{opened:?}");
            assert!(again.is_none() || again == first, "{opened:?}");
        },
        |ring| {
            replace(ring, &[2]);
        },
        |ring| assert_eq!(ring.load().len(), 1),
    );
}

/// A handshake keeps its snapshot while the ring is replaced twice: it stays as it was, and is
/// wiped after that, once.
///
/// Catches keys that are wiped under a snapshot, and an old ring that is kept for good.
#[test]
fn a_snapshot_keeps_its_keys_while_the_ring_is_replaced() {
    explore(
        |ring| {
            let keys = ring.load();
            let key = |keys: &KeyRing| keys.iter().next().expect("one").key().fingerprint();
            let name = *keys.iter().next().expect("one").key().name();
            let before = key(&keys);
            let ticket = seal(ring);
            assert!(ticket.name >= name, "an older ring");
            assert_eq!(before, fingerprint(name[0]));
            assert_eq!(key(&keys), before);
        },
        |ring| {
            replace(ring, &[2]);
            replace(ring, &[3]);
        },
        |ring| assert_eq!(seal(ring).name[0], 3),
    );
}

/// A handshake that has to renew the ring itself, since no thread has maintained it, while an
/// update comes: the update wins, first or not, and the handshake seals with a key that opens.
///
/// Catches a renewal that puts an older ring back over the update, or that is made without looking
/// whether the ring is still the one that it was made from.
#[test]
fn a_renewal_never_undoes_an_update() {
    model(None, || {
        let ring = long_overdue();
        let theirs = ring.clone();
        let thread = thread::spawn(move || replace(&theirs, &[2]));
        seal(&ring);
        thread.join().expect("loom stops at a panic");
        assert_eq!(seal(&ring).name, [2; 16]);
    });
}

/// Two handshakes that both have to renew the ring: both seal, and what the first has sealed opens
/// for the second.
#[test]
fn two_renewals_at_once_are_one() {
    model(None, || {
        let ring = long_overdue();
        let theirs = ring.clone();
        let thread = thread::spawn(move || seal(&theirs).name);
        let ours = seal(&ring).name;
        let theirs = thread.join().expect("loom stops at a panic");
        assert_eq!(ours, theirs);
        let opens = ring.load();
        assert!(matches!(
            opens.opening(&ours, ring.now()),
            KeyLookup::Key(..)
        ));
    });
}

/// A ring whose keys stopped sealing long ago.
fn long_overdue() -> Arc<TicketRing> {
    let clock = Arc::new(Leap::default());
    let second = Duration::from_secs(1);
    let policy = TicketPolicy::default().period(second).lifetime(second);
    let ring = TicketRing::builder().policy(policy);
    let ring = ring.clock(clock.clone()).own_keys().build().expect("keys");
    clock.0.store(100_000, Ordering::Relaxed);
    Arc::new(ring)
}

/// A clock in milliseconds that leaps. Not one of loom's atomics: it is set while no thread runs
/// beside.
#[derive(Default)]
struct Leap(AtomicU64);

impl Clock for Leap {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn unix_time(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}
